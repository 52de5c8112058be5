# The validated config, the runs that it asks for, and the fingerprints of the stages' code.
import json
import os
from pathlib import Path

from snakemake.exceptions import WorkflowError

from handgrad.errors import ConfigError
from handgrad.hyperparameters import command_line, run_path
from handgrad.pipeline.config import check_syntax, combinations, read_schema, validated
from handgrad.pipeline.fingerprints import fingerprint

# Relative where the project runs in its own folder, so that nothing is rerun when that folder is moved.
ROOT = Path(os.path.relpath(Path(str(workflow.current_basedir)).parents[1]))
if ROOT != Path():
    ROOT = ROOT.resolve()


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


config = checked(
    validated, config, read_schema(ROOT / "workflow/schemas/config.schema.yaml")
)

# Each run by the path of its folder: the combinations in the order of the config, each with every seed.
RUNS = {
    run_path(combination, seed): (combination, seed)
    for combination in combinations(config)
    for seed in config["training"]["seeds"]
}
RUN = "results/runs/{run}/{trainer}"
TRAINERS = config["training"]["trainers"]

# The archive that data.archive names, where data.source takes it: an input, so that a change of it is seen.
# Absolute, for in a module Snakemake would put the prefix before it.
ARCHIVE = []
if config["data"]["archive"] and config["data"]["source"] in ("auto", "archive"):
    ARCHIVE = [Path(config["data"]["archive"]).resolve()]
    if not ARCHIVE[0].is_file():
        raise WorkflowError(
            f"config: data.archive is {config['data']['archive']!r}; there is no such file"
        )


wildcard_constraints:
    run=r".+/seed~\d+",
    trainer="|".join(TRAINERS),


def run_folders(comparison):
    """The folders of the runs, beside the comparison's file: one for all trainers, in the order of the config.

    The files of a run are made together, and `compare` takes one of each run: whoever takes the comparison
    has them all. So the graph grows by one edge a run, and stays quick to plan with thousands of them.
    """
    return [f"{Path(comparison).parent}/runs/{run}" for run in RUNS]


def run_options(wildcards):
    """The command-line options of the training in a run's folder: its hyperparameters and seed."""
    if wildcards.run not in RUNS:
        raise WorkflowError(
            f"results/runs/{wildcards.run}: the config has no such run; "
            "add its combination under hyperparameters, or its seed under training.seeds"
        )
    combination, seed = RUNS[wildcards.run]
    return [*command_line(combination), "--seed", str(seed)]


def growing(amount):
    """A resource that is larger at each retry: `amount`, twice as much, three times as much."""
    return lambda wildcards, attempt: amount * attempt
