"""Other people's files that a config names: to check, and as trainers; and the names of their results."""

import glob
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from handgrad.errors import ConfigError

SUFFIXES = (".py", ".ipynb")


def submissions(patterns: str | list[str]) -> dict[str, str]:
    """Files by the name of their results: `ada` of `ada.py`, or the whole path where names are equal.

    Args:
        patterns: paths, or patterns with *, ? and **, of scripts and notebooks; a folder stands for those in
        it.

    Raises:
        ConfigError: if a pattern matches no script or notebook, or a path has braces, which Snakemake cannot
        take.
    """
    files: dict[Path, None] = {}
    for pattern in [patterns] if isinstance(patterns, str) else patterns:
        matches = _matches(pattern)
        if not matches:
            raise ConfigError(
                f"config: implementations has {pattern!r}; there is no such script (.py) or notebook (.ipynb)"
            )
        files |= dict.fromkeys(matches)
    if bad := [path for path in files if set("{}<>\n") & set(str(path))]:
        raise ConfigError(
            f"config: implementations has the file {str(bad[0])!r}; expected a path without any of {{}}<>"
        )
    stems = Counter(_plain(path.stem) for path in files)
    names = [
        _plain(path.stem) if stems[_plain(path.stem)] == 1 else _plain(os.path.relpath(path))
        for path in files
    ]
    names = [f"{name}-{i}" if names.count(name) > 1 else name for i, name in enumerate(names, start=1)]
    return dict(zip(names, map(str, files), strict=True))


def _matches(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_file():
        found = [path]
    elif path.is_dir():
        found = sorted(path.iterdir())
    else:
        found = [Path(match) for match in sorted(glob.glob(pattern, recursive=True))]  # noqa: PTH207 - absolute patterns
    return [path for path in found if path.suffix in SUFFIXES and path.is_file()]


def _plain(name: str) -> str:
    """The name with only letters, digits, dots and dashes: it becomes that of a folder."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "file"


def take_trainers(config: dict[str, Any]) -> dict[str, str]:
    """Take the trainers FILE:train_manual_update and FILE:backpropagation out of an unchecked config.

    Returns:
        By the name of the trainer, such as `ada.backpropagation`: the file.

    Raises:
        ConfigError: if there is no such file, it has no such part, or two trainers have one name.
    """
    training: Any = config.get("training")
    listed = training.get("trainers") if isinstance(training, dict) else None
    if not isinstance(listed, list):
        return {}
    foreign = [trainer for trainer in listed if isinstance(trainer, str) and ":" in trainer]
    found: dict[str, str] = {}
    for trainer in foreign:
        file, _, part = trainer.rpartition(":")
        if part not in ("train_manual_update", "backpropagation") or len(_matches(file)) != 1:
            raise ConfigError(
                f"config: training.trainers has {trainer!r}; expected an existing script or notebook and "
                "its function, FILE:train_manual_update or FILE:backpropagation"
            )
        name = f"{_plain(Path(file).stem)}.{part}"
        if name in found:
            raise ConfigError(
                f"config: training.trainers has two files for {name!r}; expected different file names"
            )
        found[name] = file
    config["training"] = {**training, "trainers": [trainer for trainer in listed if trainer not in foreign]}
    return found
