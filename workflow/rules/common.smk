# The validated config, the runs that it asks for, and the fingerprints of the stages' code.
import json
import locale
import os
import re
import sys
from pathlib import Path

import yaml
from snakemake.exceptions import WorkflowError
from snakemake.logging import logger

from handgrad.errors import ConfigError
from handgrad.hyperparameters import run_path
from handgrad.pipeline.config import (
    check_syntax,
    combinations,
    compared_combinations,
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

# Relative where the project runs in its own folder, so that nothing is rerun when that folder is moved.
ROOT = Path(os.path.relpath(Path(str(workflow.current_basedir)).parents[1]))
if ROOT != Path():
    ROOT = ROOT.resolve()
if not (ROOT / "workflow/schemas").is_dir():
    raise WorkflowError(
        f"handgrad's Snakefile was loaded from {workflow.current_basedir}, without its templates and schema; "
        "clone handgrad and name the clone's Snakefile in the module (docs/cluster.md)"
    )
if workflow.storage_settings and workflow.storage_settings.default_storage_provider:
    raise WorkflowError(
        "handgrad's steps share their files on one file system; leave out --default-storage-provider "
        "(docs/cluster.md)"
    )

# With an unknown locale bash would print a warning for each job.
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
    """What `check` makes of the arguments; its complaint is one of Snakemake's, without a traceback."""
    try:
        return check(*arguments)
    except ConfigError as error:
        raise WorkflowError(str(error)) from None


# Before Snakemake reads it: that names no line, and takes the last of two equal keys.
for file in ["config.yaml", *workflow.overwrite_configfiles]:
    checked(check_syntax, Path(file))


configfile: "config.yaml"


# Other people's trainers: by name, such as ada.backpropagation, the file.
SUBMITTED = checked(take_trainers, config)
# Of the rule compare_experiments; no setting of an experiment.
EXPERIMENTS = checked(compared_experiments, config.pop("experiments", []))
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
config = checked(validated, config, SCHEMA)

# Each run by the path of its folder: the combinations in the order of the config, each with every seed.
RUNS = {
    run_path(combination, seed): (combination, seed)
    for combination in combinations(config)
    for seed in config["training"]["seeds"]
}
# Those that every trainer trains; the others are trained by the first alone.
COMPARED = {
    run_path(combination, seed): (combination, seed)
    for combination in compared_combinations(config)
    for seed in config["training"]["seeds"]
}
OTHERS = [run for run in RUNS if run not in COMPARED]
OWN_TRAINERS = config["training"]["trainers"]
TRAINERS = config["training"]["trainers"] = [*OWN_TRAINERS, *SUBMITTED]


def training_settings(config):
    """The options of a training that its folder does not name."""
    return {
        "dtype": config["dtype"],
        "device": config["device"],
        # Not {threads}, which Snakemake lowers to --cores: results must not depend on it.
        "threads": config["training"]["threads"],
        "gradient_check_every": config["gradients"]["check_every"],
        "checkpoint_every": config["training"]["checkpoint_every"],
    }


def plain_config():
    """The config without experiment: config.yaml alone."""
    plain = yaml.safe_load(Path("config.yaml").read_text(encoding="utf-8"))
    take_trainers(plain)
    return validated(plain, SCHEMA)


# Where results lie: an experiment's own in RESULTS, those that experiments share in DATA and STORE.
# A module takes its config from the workflow that embeds it, whose experiments are none of ours.
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

# The archive that data.archive names, where data.source takes it: an input, so that a change of it is seen.
# Absolute, for in a module Snakemake would put the prefix before it.
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

# What a training needs at most.
TRAINING_MB = training_mb(config, [combination for combination, _ in RUNS.values()])


wildcard_constraints:
    run=r".+/seed~\d+",
    trainer="|".join(map(re.escape, TRAINERS)),


def beside(file, path):
    """`path` with the prefix that `file`, in RESULTS, has in a module."""
    prefix = file[: file.rindex(f"{RESULTS}/")]
    return f"{prefix}{path}"


def run_folders(comparison, runs=RUNS):
    """The folders of the runs, one for all trainers, in the order of the config.

    The files of a run are made together, and `compare` takes one of each run: whoever takes `comparison`, the
    comparison's file, has them all. So the graph grows by one edge a run, and stays quick to plan with
    thousands of them.
    """
    return [beside(comparison, f"{STORE}{run}") for run in runs]


def run_settings(wildcards):
    """The hyperparameters, seed and trainer of a training, found by its folder."""
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
    """The command of a stage and its files: named inputs as options of these names, outputs as --output-NAME.

    What has no name is not passed. `options` are functions of (wildcards, input, output) for the options that
    depend on files. The interpreter is the one that runs Snakemake, whatever PATH says.
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
    """The options of a stage that are not files; a job is rerun when they change.

    `of_wildcards` gives those that differ from job to job: by default, the wildcards themselves. The result is
    a function because Snakemake takes braces in a string, such as a title's, for wildcards.
    """
    return lambda wildcards: flags({**of_wildcards(wildcards), **values})


COMPARISON = f"results/comparisons/{'-'.join(EXPERIMENTS)}"


def of_experiments(file):
    """That file of each compared experiment; the default one lies in results/ itself."""
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
    """A resource that is larger at each retry: `amount`, twice as much, three times as much."""
    return lambda wildcards, attempt: amount * attempt


def trainings_at_once():
    """How many trainings share this machine: on a cluster, and on one GPU, each has its own memory."""
    cores = workflow.resource_settings.cores
    if not workflow.local_exec or config["device"] == "cuda" or cores is None:
        return 1
    at_once = max(1, cores // config["training"]["threads"])
    return min(at_once, len(RUNS) * len(TRAINERS))
