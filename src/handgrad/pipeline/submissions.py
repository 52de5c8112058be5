"""The files that the rule `check` is asked to check, and the name of each one's results."""

import glob
import os
import re
from collections import Counter
from pathlib import Path

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
