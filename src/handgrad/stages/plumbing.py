"""What every stage shares: logging, one-line errors, and files that appear whole or not at all."""

import glob
import json
import logging
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from handgrad.errors import HandgradError


def run_stage(main: Callable[[], None]) -> None:
    """Run a stage; an error that its user can cause ends in one line on standard error and exit status 1."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    try:
        main()
    except (HandgradError, OSError) as error:
        sys.exit(f"error: {error}")


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; at the end it takes the name `path`, on an error it is removed.

    A reader never sees a half-written file: a rename within one folder is atomic (POSIX).
    """
    temporary = _temporary(path)
    try:
        yield temporary
        temporary.replace(path)
    except OSError as error:
        if error.filename is not None:
            raise
        raise HandgradError(f"{path}: {error}") from error  # a full disk is reported without the file
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def scratch_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder, named after `path` and beside it, that is removed at the end."""
    folder = _temporary(path)
    folder.mkdir()
    try:
        yield folder
    except OSError as error:
        if error.filename is not None:
            raise
        raise HandgradError(f"{folder}: {error}") from error
    finally:
        shutil.rmtree(folder)


def _temporary(path: Path) -> Path:
    """A path beside `path` that is this process's own; what killed processes left of theirs is removed.

    So a job whose Snakemake was killed, and the one that repeats it, do not write into one file. The name has
    the host, since on a cluster a process of another node may write beside this one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    own = f".{path.name}.{socket.gethostname()}"
    for left in path.parent.glob(f"{glob.escape(own)}.*.partial"):
        process = int(left.suffixes[-2][1:])
        # Process numbers come again: what has this one's is a killed one's.
        if process == os.getpid() or not _runs(process):
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    return path.with_name(f"{own}.{os.getpid()}.partial")


def _runs(process: int) -> bool:
    """Whether a process of this number runs on this machine."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass  # it runs, as another user's
    return True


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8 in one step."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, content: Any) -> None:
    """Write `content` as indented JSON in one step; NaN and infinity are refused (use None)."""
    write_text(path, json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """The content of a JSON file.

    Raises:
        HandgradError: if the file is not valid JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise HandgradError(f"{path}: not valid JSON ({error}); delete it and run snakemake again") from error
