# The validated config, the runs it defines, and helpers shared by the rules.
import json
import locale
import os
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

import handgrad
from handgrad.errors import ConfigError
from handgrad.hyperparameters import run_path
from handgrad.pipeline.config import (
    check_syntax,
    combinations,
    compared_combinations,
    compared_seeds,
    read_schema,
    validated,
)
from handgrad.pipeline.experiments import (
    compared_experiments,
    experiment_name,
    store_folder,
)
from handgrad.pipeline.fingerprints import fingerprint
from handgrad.pipeline.needs import disk_mb, training_mb
from handgrad.pipeline.submissions import take_trainers
from handgrad.stages.command_line import flags


def clone():
    """The clone that contains this Snakefile or, for a remote module, the one that handgrad is installed from."""
    snakefile, package = Path(str(workflow.current_basedir)), Path(handgrad.__file__)
    for folder in (snakefile.parents[1], package.parents[2]):
        if (folder / "workflow/schemas").is_dir():
            return folder
    raise WorkflowError(
        f"handgrad's templates and schema are neither beside its Snakefile, loaded from {snakefile}, nor beside "
        f"the package, installed in {package.parent}; install handgrad from a clone, pip install -e "
        "(docs/cluster.md)"
    )


# Relative when the project runs in its own folder, so that moving the folder reruns nothing.
ROOT = Path(os.path.relpath(clone()))
if ROOT != Path():
    ROOT = ROOT.resolve()
if workflow.storage_settings and workflow.storage_settings.default_storage_provider:
    raise WorkflowError(
        "handgrad's steps share their files on one file system; leave out --default-storage-provider "
        "(docs/cluster.md)"
    )

# What the stages of the report read besides their code. Their rules also pass it to `fingerprint`: Snakemake
# compares modification times, which an older copy does not reveal. The parameter must not be a function of the
# inputs, since Snakemake ignores changes of such parameters.
TEMPLATES = sorted((ROOT / "report").glob("**/*.j2"))
BIBLIOGRAPHY = ROOT / "report/references.bib"
STYLES = {
    ending: sorted((ROOT / "report/style").glob(f"{ending}/*"))
    for ending in ("html", "pdf")
}

# With a locale that is not installed, bash would print a warning for every job.
before = locale.setlocale(locale.LC_ALL)
try:
    locale.setlocale(locale.LC_ALL, "")
except locale.Error:
    logger.warning(
        "The locale of the environment is not installed; the jobs use C.UTF-8."
    )
    os.environ.update(LC_ALL="C.UTF-8")
finally:
    locale.setlocale(locale.LC_ALL, before)


def checked(check, *arguments):
    """Call `check`; a ConfigError becomes a WorkflowError, which Snakemake prints without a traceback."""
    try:
        return check(*arguments)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


# Check before Snakemake parses the files: its errors give no line number, and of two equal keys it silently
# keeps the last.
for file in ["config.yaml", *workflow.overwrite_configfiles]:
    checked(check_syntax, Path(file))


configfile: "config.yaml"


# Submitted trainers: maps a name, such as ada.backpropagation, to its file.
SUBMITTED = checked(take_trainers, config)
# Used only by the rule compare_experiments; not a setting of an experiment.
EXPERIMENTS = checked(compared_experiments, config.pop("experiments", []))
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
config = checked(validated, config, SCHEMA)


def runs_of(combinations, seeds):
    """Map each run's folder to its combination and seed: combinations in order, each with every seed."""
    return {
        run_path(combination, seed): (combination, seed)
        for combination in combinations
        for seed in seeds
    }


RUNS = runs_of(combinations(config), config["training"]["seeds"])
# The runs that every trainer trains; only the first trainer trains the others.
COMPARED = runs_of(compared_combinations(config), compared_seeds(config))
OTHERS = [run for run in RUNS if run not in COMPARED]
OWN_TRAINERS = config["training"]["trainers"]
TRAINERS = config["training"]["trainers"] = [*OWN_TRAINERS, *SUBMITTED]


def training_settings(config):
    """The training options that are not part of the run's folder name."""
    return {
        "dtype": config["dtype"],
        "device": config["device"],
        # Not {threads}, which Snakemake caps at --cores: results must not depend on --cores.
        "threads": config["training"]["threads"],
        "gradient_check_every": config["gradients"]["check_every"],
        "checkpoint_every": config["training"]["checkpoint_every"],
        "keep": config["training"]["keep"],
    }


def plain_config():
    """The config without an experiment: config.yaml alone."""
    plain = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    take_trainers(plain)
    return validated(plain, SCHEMA)


# Results of one experiment go to RESULTS; results shared between experiments go to DATA and STORE.
# A module gets its config from the workflow that embeds it, whose config files are not our experiments.
EXPERIMENT = None
if workflow.modifier.parent_modifier is None:
    EXPERIMENT = checked(experiment_name, map(Path, workflow.overwrite_configfiles))
PLAIN = checked(plain_config) if EXPERIMENT else config
DATA_FOLDER = store_folder(
    [config["data"], config["seed"]], [PLAIN["data"], PLAIN["seed"]]
)
RUN_FOLDER = store_folder(
    [config["data"], config["seed"], training_settings(config)],
    [PLAIN["data"], PLAIN["seed"], training_settings(PLAIN)],
)
RESULTS = f"results/{EXPERIMENT}" if EXPERIMENT else "results"
LOGS = f"logs/{EXPERIMENT}" if EXPERIMENT else "logs"
DATA = f"results/data/{DATA_FOLDER}"
DATA_MANIFESTS = f"{DATA}manifests/" if DATA_FOLDER else "results/manifests/"
STORE = f"results/runs/{RUN_FOLDER}"

# The archive given by data.archive, if data.source uses it: an input, so that Snakemake notices changes.
# The path is absolute because in a module Snakemake would prepend the prefix to a relative one.
ARCHIVE = []
if config["data"]["archive"] and config["data"]["source"] in ("auto", "archive"):
    ARCHIVE = [Path(config["data"]["archive"]).resolve()]
    if not ARCHIVE[0].is_file():
        raise WorkflowError(
            f"config: data.archive is {config['data']['archive']!r}; "
            f"there is no such file{' but a folder or device' * ARCHIVE[0].exists()}"
        )
    if set("{}<>") & set(str(ARCHIVE[0])):
        raise WorkflowError(
            f"config: data.archive is {ARCHIVE[0]}; Snakemake reads braces and angle brackets in a path as "
            "wildcards: rename the folder, or put the archive in another one"
        )

# Upper bound on the memory of one training.
TRAINING_MB = training_mb(config, [combination for combination, _ in RUNS.values()])


wildcard_constraints:
    run=r".+/seed~\d+",
    trainer="|".join(map(re.escape, TRAINERS)),


def beside(file, path):
    """Prepend to `path` the prefix that a module gives to `file`, which is in RESULTS."""
    prefix = file[: file.rindex(f"{RESULTS}/")]
    return f"{prefix}{path}"


def run_folders(comparison, runs=RUNS):
    """Return the folders of the runs, each shared by all trainers, in config order.

    The files of a training are written together, and `compare` depends on one file of each training, so a
    rule that takes the file `comparison` as input can rely on all of them. The job graph therefore grows by
    one edge per training, and planning stays fast with thousands of them.
    """
    return [beside(comparison, f"{STORE}{run}") for run in runs]


def run_settings(wildcards):
    """Return the hyperparameters, seed and trainer of a training, looked up by its folder."""
    found = RUNS.get(wildcards.run) or COMPARED.get(wildcards.run)
    if found is None:
        raise WorkflowError(
            f"{STORE}{wildcards.run}: the config has no such run; "
            "add its combination under hyperparameters, or its seed under training.seeds"
        )
    combination, seed = found
    return combination.settings() | {
        "seed": seed,
        "trainer": wildcards.trainer,
        "implementation": SUBMITTED.get(wildcards.trainer),
    }


def compared_runs(wildcards, input, output):
    return run_folders(input.comparison)


def command(stage, **options):
    """Return the command line of a stage: a named input becomes --NAME, a named output --output-NAME.

    Unnamed inputs and outputs are not passed. Each of `options` is a function of (wildcards, input, output),
    for options that depend on files. The stage runs under Snakemake's own interpreter, regardless of PATH.
    """

    def words(wildcards, input, output):
        files = {name: file for name, file in input.items()}
        files |= {f"output_{name}": file for name, file in output.items()}
        files |= {
            name: option(wildcards, input, output) for name, option in options.items()
        }
        return [sys.executable, "-m", f"handgrad.stages.{stage}", *flags(files)]

    return words


def settings(of_wildcards=dict, **values):
    """Return the options of a stage that are not files; a job reruns when they change.

    `of_wildcards` returns the options that vary between jobs: by default, the wildcards themselves. The
    result is a function because Snakemake would treat braces in a string, such as the report's title, as
    wildcards.
    """
    return lambda wildcards: flags({**of_wildcards(wildcards), **values})


COMPARISON = f"results/comparisons/{'-'.join(EXPERIMENTS)}"


def of_experiments(file):
    """Return the path of `file` in each compared experiment; the default experiment is in results/ itself."""
    folders = [
        "results" if name == "default" else f"results/{name}" for name in EXPERIMENTS
    ]
    return [f"{folder}/{file}" for folder in folders]


def compared_documents(wildcards):
    if not EXPERIMENTS:
        raise WorkflowError(
            'compare_experiments needs names: --config experiments="[default, NAME]"'
        )
    return [f"{COMPARISON}/report.{ending}" for ending in ("md", "html", "pdf")]


def growing(amount):
    """A resource that grows with each attempt on a cluster: `amount`, then twice, then three times as much.

    Local jobs get one attempt, and without a function, planning thousands of them is faster.
    """
    if workflow.local_exec:
        return amount
    return lambda wildcards, attempt: amount * attempt


def trainings_at_once():
    """Number of trainings that share this machine's memory; one on a cluster, and one on a GPU."""
    cores = workflow.resource_settings.cores
    if not workflow.local_exec or config["device"] == "cuda" or cores is None:
        return 1
    at_once = max(1, cores // config["training"]["threads"])
    return min(at_once, len(RUNS) * len(TRAINERS))
