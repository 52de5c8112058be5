"""Named experiments: experiments/NAME.yaml overrides config.yaml, and results/NAME/ contains the results.

All experiments share one store of prepared data (results/data) and trained runs (results/runs). Files made
with the settings in config.yaml are directly in the store, as without experiments; files made with other
settings are in a folder named by a hash of those settings. Thus two experiments share a file exactly if they
would make it with the same settings, and no experiment overwrites files that another one reads.
"""

import hashlib
import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from handgrad.errors import ConfigError

FOLDER = "experiments"
# Names that `snakemake` without an experiment writes to results/.
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
        ConfigError: if there are two experiments, or the name is not valid for a folder in results/.
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


def compared_experiments(names: Any) -> list[str]:
    """The validated names in `--config experiments="[default, NAME]"`; default is plain `snakemake`.

    Raises:
        ConfigError: unless there are at least two different names, all of finished experiments.
    """
    if names == []:
        return []
    if not isinstance(names, list) or len(set(map(str, names))) < max(2, len(names)):
        raise ConfigError(f'experiments is {names!r}; expected at least two names, as "[default, wide]"')
    for name in names:
        folder = Path("results") if name == "default" else Path(f"results/{name}")
        option = "" if name == "default" else f" --configfile {FOLDER}/{name}.yaml"
        if not (folder / "facts.json").exists():
            raise ConfigError(
                f"experiments: {name} is not finished; there is no {folder}/facts.json. "
                f"First run snakemake --cores 4{option}"
            )
    return [str(name) for name in names]


def store_folder(settings: Any, plain: Any) -> str:
    """The folder, with a slash, for files made with `settings`; empty if they equal those in config.yaml."""
    if settings == plain:
        return ""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:12] + "/"
