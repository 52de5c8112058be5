"""Who holds Snakemake's lock on a folder: Snakemake says only that it is locked."""

import getpass
import os
import socket
from datetime import datetime
from pathlib import Path

HOLDER = Path(".snakemake/lock_holder.txt")


def record_holder(folder: Path) -> None:
    """Note this process as the one that holds the lock on `folder`."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # in a container, whose users need not have names
        user = f"user {os.getuid()}"
    since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
    holder = f"process {os.getpid()} of {user} on {socket.gethostname()}, since {since}"
    (folder / HOLDER).write_text(holder, encoding="utf-8")


def lock_holder(folder: Path) -> str | None:
    """Who holds the lock on `folder`, or held it when killed; None if it is not locked."""
    locks = [lock.stat().st_mtime_ns for lock in (folder / ".snakemake/locks").glob("*.lock")]
    if not locks:
        return None
    # A run notes itself after it has locked the folder; an older note is an earlier run's.
    if not (folder / HOLDER).exists() or (folder / HOLDER).stat().st_mtime_ns < max(locks):
        return "a process that is just starting"
    return (folder / HOLDER).read_text(encoding="utf-8")
