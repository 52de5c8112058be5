"""Files submitted by other people and listed in a config, to be checked or used as trainers."""

import glob
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

from handgrad.errors import ConfigError

SUFFIXES = (".py", ".ipynb")


def submissions(patterns: str | list[str]) -> dict[str, str]:
    """Files keyed by the name of their results: `ada` for `ada.py`, or the full path if names clash.

    Args:
        patterns: paths of scripts and notebooks, or patterns with *, ? and **; a folder means all scripts and
            notebooks in it.

    Raises:
        ConfigError: if a pattern matches no script or notebook, or a path contains braces, which Snakemake
            cannot handle.
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
    """The name reduced to letters, digits, dots and dashes, for use as a folder name."""
    return re.sub(r"[^\w.-]+", "_", name).strip("._") or "file"


def take_trainers(config: dict[str, Any]) -> dict[str, str]:
    """Extract trainers given as FILE:train_manual_update or FILE:backpropagation from an unvalidated config.

    Returns:
        The files, keyed by the name of the trainer, such as `ada.backpropagation`.

    Raises:
        ConfigError: if the file does not exist, the part is unknown, or two trainers have the same name.
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
