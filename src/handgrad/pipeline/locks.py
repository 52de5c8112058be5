"""Find out which process holds Snakemake's lock; Snakemake only reports that the folder is locked."""

import socket
from datetime import datetime
from pathlib import Path

import psutil

HOLDER = Path(".snakemake/lock_holder.txt")


def record_holder(folder: Path) -> None:
    """Record this process as the holder of the lock on `folder`."""
    process = psutil.Process()
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    holder = f"process {process.pid} of {process.username()} on {socket.gethostname()}, since {since}"
    (folder / HOLDER).write_text(holder, encoding="utf-8")


def lock_holder(folder: Path) -> str | None:
    """The process that holds (or held, if it was killed) the lock on `folder`; None if it is not locked."""
    locks = [lock.stat().st_mtime_ns for lock in (folder / ".snakemake/locks").glob("*.lock")]
    if not locks:
        return None
    # A run records itself after locking the folder; a record older than the lock is from an earlier run.
    if not (folder / HOLDER).exists() or (folder / HOLDER).stat().st_mtime_ns < max(locks):
        return "a process that is just starting"
    return (folder / HOLDER).read_text(encoding="utf-8")
