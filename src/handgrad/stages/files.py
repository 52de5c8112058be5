"""File input and output for the stages: atomic writes, and errors that name a damaged file."""

import glob
import json
import os
import shutil
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil

from handgrad.errors import HandgradError


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path next to `path`, renamed to `path` on success and removed on error.

    A reader never sees a partially written file: POSIX renames within a folder are atomic.
    """
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is not None:
            raise
        raise HandgradError(f"{path}: {error}") from error  # the error for a full disk names no file
    finally:
        temporary.unlink(missing_ok=True)


def _temporary(path: Path) -> Path:
    """Return a path next to `path` for this process alone, after removing leftovers of dead processes.

    A job whose Snakemake was killed and the job that repeats it therefore never write to the same file. The
    name includes the host: on a cluster, a process on another node may write to the same folder.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f".{path.name}.{socket.gethostname()}"
    for leftover in path.parent.glob(f"{glob.escape(own)}.*.partial"):
        pid = int(leftover.suffixes[-2][1:])
        # PIDs are reused: a leftover with our PID belongs to a dead process.
        if pid == os.getpid() or not psutil.pid_exists(pid):
            shutil.rmtree(leftover) if leftover.is_dir() else leftover.unlink(missing_ok=True)
    return path.with_name(f"{own}.{os.getpid()}.partial")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON, atomically; NaN and infinity raise ValueError (use None)."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        HandgradError: if the file is not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HandgradError(f"{path}: not valid JSON ({error}); delete it and run snakemake again") from error
