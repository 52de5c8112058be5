"""The worker process that checks a submitted file: it sets resource limits, then runs the check.

Started by `handgrad.checking.isolation` as `python -m handgrad.checking.worker FILE SECONDS`, in a scratch
folder.
"""

import json
import os
import resource
import signal
import sys
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

import torch.optim  # before the limits, so that PyTorch's own files and memory do not count

from handgrad.checking.calling import OutOfTime
from handgrad.checking.checks import check_submission
from handgrad.checking.isolation import PROGRESS, RESULT
from handgrad.checking.loading import load
from handgrad.errors import HandgradError

MEMORY = 2 * 2**30  # bytes, in addition to PyTorch's own
FILE_SIZE = 16 * 2**20  # bytes per file
OPEN_FILES = 64
# Each part gets this share of the time, then is interrupted every second, in case it catches the exception.
SHARE = 1 / 6
REFUSED = (
    *("os.fork", "os.forkpty", "os.exec", "os.posix_spawn", "os.spawn", "os.system", "subprocess.Popen"),
    *("pty.spawn", "os.kill", "os.killpg", "socket.connect", "socket.bind", "socket.getaddrinfo"),
)
CHANGES = (
    *("os.chmod", "os.chown", "os.link", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.symlink"),
    *("os.truncate", "os.utime", "shutil.rmtree", "shutil.move"),
)
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


def main(path: Path, seconds: int) -> None:
    torch.set_num_threads(1)
    # Opened before the check, since the submission may replace the functions that open files.
    result, progress = os.open(RESULT, os.O_WRONLY | os.O_CREAT), os.open(PROGRESS, os.O_WRONLY | os.O_CREAT)

    def note(part: str) -> None:
        os.ftruncate(progress, 0)
        os.pwrite(progress, part.encode(), 0)
        signal.setitimer(signal.ITIMER_REAL, seconds * SHARE, 1)

    _limit(seconds)
    try:
        note("the definitions")
        content: dict[str, Any] = check_submission(load(path), note).as_dict()
    except HandgradError as error:
        content = {"problem": str(error)}
    except OutOfTime:
        content = {"problem": f"{path.name}: the definitions alone take more than {seconds * SHARE:g} s"}
    signal.setitimer(signal.ITIMER_REAL, 0)
    os.write(result, json.dumps(content, allow_nan=False).encode())
    os._exit(0)  # regardless of threads and exit handlers left by the submission


def _limit(seconds: int) -> None:
    """Limit the resources of the process, and block operations that a check does not need."""
    pages = int(Path("/proc/self/statm").read_text().split()[0]) if sys.platform == "linux" else 0
    if pages:
        used = pages * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + MEMORY, used + MEMORY))
    used_seconds = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
    resource.setrlimit(resource.RLIMIT_CPU, (used_seconds + seconds, used_seconds + seconds + 5))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE, FILE_SIZE))
    resource.setrlimit(resource.RLIMIT_NOFILE, (OPEN_FILES, OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise OutOfTime(f"not done after {seconds * SHARE:g} s")

    signal.signal(signal.SIGALRM, interrupt)
    sys.addaudithook(_hook(Path.cwd()))


def _hook(scratch: Path) -> Any:
    """An audit hook (PEP 578) that allows changes to files only within the scratch folder."""

    def inside(path: Any) -> bool:
        if isinstance(path, int):
            return True  # a file that is already open
        resolved = os.path.realpath(os.fsdecode(path))
        return resolved == "/dev/null" or resolved.startswith(f"{scratch}{os.sep}")

    def refuse_changes(event: str, arguments: tuple[Any, ...]) -> None:
        if event in REFUSED:
            raise PermissionError(f"{event} is not allowed in a check")
        if event == "open" and (arguments[2] or 0) & WRITING and not inside(arguments[0]):
            raise PermissionError(f"writing {arguments[0]!r} is not allowed in a check")
        if event in CHANGES and not inside(arguments[0]):
            raise PermissionError(f"{event} of {arguments[0]!r} is not allowed in a check")

    return refuse_changes


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
