"""Experiments by name: `experiments/NAME.yaml` holds what differs from config.yaml, results/NAME/ the results.

Prepared data and trained runs lie in one store, results/data and results/runs, that all experiments share. What
is made from the settings of config.yaml lies in the store itself, as without experiments; what is made from
others lies in a folder named by a hash of these settings. Two experiments thus use one file exactly where they
would make it from the same settings, so none overwrites what another one reads.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from handgrad.errors import ConfigError

FOLDER = "experiments"
# What plain `snakemake` writes to results/.
RESERVED = {
    "baselines",
    "benchmarks",
    "check",
    "comparisons",
    "data",
    "evaluation",
    "figures",
    "gradients",
    "manifests",
    "runs",
    "selected",
}


def experiment_name(configfiles: Iterable[Path]) -> str | None:
    """The name of the experiment among the files given by --configfile; None if there is none.

    Raises:
        ConfigError: if there are two experiments, or its name cannot be that of a folder in results/.
    """
    files = [path for path in configfiles if path.absolute().parent.name == FOLDER]
    if len(files) > 1:
        raise ConfigError(f"--configfile names {len(files)} experiments; expected one at a time")
    for path in files:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", path.stem):
            raise ConfigError(f"{path}: expected a name of letters, digits, hyphens and underscores")
        if path.stem in RESERVED:
            raise ConfigError(f"{path}: results/{path.stem} is used otherwise; choose another name")
        return path.stem
    return None


def store_folder(settings: Any, plain: Any) -> str:
    """The folder, with a slash, of what is made from `settings`: none where they are those of config.yaml."""
    if settings == plain:
        return ""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12] + "/"
