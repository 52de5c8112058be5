"""Read malicious archives, each in its own process with bounded memory and time.

Run as a script, this is the fork server: for each path on standard input, it prints the outcome as JSON.
"""

import codecs
import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# What a process may use. The limits set by the system are higher: a violation must not look like a rejection.
MOST_BYTES = 1_000_000_000
MOST_SECONDS = 30
ACCEPTED, REFUSED, FAILED, EXECUTED = range(4)
# Audit events that reading an archive raises: https://docs.python.org/3/library/audit_events.html
HARMLESS = {"object.__getattr__"}


@dataclass(frozen=True)
class Outcome:
    """How a process ended: its exit code or the negative signal number, its output and its resource usage."""

    code: int
    message: str
    bytes: int
    seconds: float


class Sandbox:
    """A fork server; `read` returns the outcome of reading one archive."""

    def __init__(self, server: "subprocess.Popen[str]") -> None:
        self._server = server

    def read(self, path: Path) -> Outcome:
        self._server.stdin.write(f"{path}\n")
        self._server.stdin.flush()
        return Outcome(**json.loads(self._server.stdout.readline()))


@contextmanager
def sandbox(good: Path) -> Iterator[Sandbox]:
    """A running fork server; it first reads the valid archive `good`, so that nothing is imported later."""
    server = subprocess.Popen(
        [sys.executable, __file__, str(good)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
    )
    try:
        yield Sandbox(server)
    finally:
        server.stdin.close()
        server.wait(timeout=60)


def serve(good: Path) -> None:
    from handgrad.data.archives import read_archive

    read_archive(good, "good")
    # Text opcodes look up codecs by name, which imports them.
    for codec in ("ascii", "latin-1", "raw_unicode_escape", "unicode_escape", "utf-8"):
        codecs.lookup(codec)
    for line in sys.stdin:
        path = Path(line.rstrip("\n"))
        reader, writer = os.pipe()
        start = time.monotonic()
        child = os.fork()
        if child == 0:
            os.close(reader)
            os._exit(_read(path, writer))
        os.close(writer)
        with os.fdopen(reader, errors="replace") as pipe:
            message = pipe.read()
        _, status, usage = os.wait4(child, 0)
        outcome = {
            "code": os.waitstatus_to_exitcode(status),
            "message": message,
            "bytes": usage.ru_maxrss * 1024,
            "seconds": time.monotonic() - start,
        }
        print(json.dumps(outcome), flush=True)


def _read(path: Path, writer: int) -> int:
    """Read an archive under limits, in the forked process; return its exit code."""
    from handgrad.data.archives import read_archive
    from handgrad.errors import DataError

    resource.setrlimit(resource.RLIMIT_AS, (3 * MOST_BYTES, 3 * MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (2 * MOST_SECONDS, 2 * MOST_SECONDS))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))

    def watch(event: str, arguments: tuple[object, ...]) -> None:
        if event == "open" and arguments[:2] == (os.fspath(path), "r"):
            return
        if event not in HARMLESS:
            os.write(writer, f"{event} {arguments!r}"[:1000].encode())
            os._exit(EXECUTED)

    sys.addaudithook(watch)
    try:
        read_archive(path, "archive")
    except DataError as error:
        os.write(writer, str(error).encode())
        return REFUSED
    except BaseException as error:
        os.write(writer, f"{type(error).__name__}: {error}"[:1000].encode(errors="replace"))
        return FAILED
    return ACCEPTED


if __name__ == "__main__":
    serve(Path(sys.argv[1]))
