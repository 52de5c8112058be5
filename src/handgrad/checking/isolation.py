"""Check a file in a separate process with resource limits, so that it cannot affect other checks.

This protects a class from accidents and pranks; it is not a sandbox. The limits are set by
`handgrad.checking.worker`. Where the system allows it, Linux namespaces (unshare) disable network access and
terminate all processes that the file leaves behind.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # The worker is run by name below; without this import, the rule's fingerprint would not cover it.
    import handgrad.checking.worker  # noqa: F401

SECONDS = 90
# Time for PyTorch to start, even on a busy machine; not counted as the submission's time.
START_SECONDS = 60
UNSHARE = ("unshare", "--user", "--map-current-user", "--net", "--pid", "--fork", "--kill-child")
RESULT, PROGRESS, ERRORS = "result.json", "progress", "stderr"


def check_isolated(path: Path, seconds: int = SECONDS) -> dict[str, Any]:
    """The result of `check_file` in JSON-compatible form, from a separate process limited to `seconds`.

    Returns:
        `file`, `passed`, `findings`, and `problem`: why there are no findings, or empty if there are some.
    """
    with tempfile.TemporaryDirectory(prefix="handgrad-check-") as scratch:
        status = _run(path.resolve(), Path(scratch), seconds)
        result = _result(Path(scratch), status)
    if "findings" not in result and not result["problem"].startswith(path.name):
        result["problem"] = f"{path.name}: {result['problem']}"
    return {"file": path.name, "passed": False, "problem": "", "findings": [], **result}


def _run(path: Path, scratch: Path, seconds: int) -> int | None:
    """Run the worker and return its exit status; None if it timed out."""
    command = [sys.executable, "-m", "handgrad.checking.worker", str(path), str(seconds)]
    kept = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "VIRTUAL_ENV")
    environment = {name: os.environ[name] for name in kept if name in os.environ} | {
        # One thread, so that many checks can run in parallel; nothing is written outside the scratch folder.
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "PYTHONDONTWRITEBYTECODE": "1",
        "MPLBACKEND": "Agg",
        **dict.fromkeys(("HOME", "TMPDIR", "MPLCONFIGDIR", "XDG_CACHE_HOME"), str(scratch)),
    }
    with (scratch / ERRORS).open("wb") as errors:
        process = subprocess.Popen(
            [*(UNSHARE if _can_unshare() else ()), *command],
            cwd=scratch,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=errors,
            start_new_session=True,
        )
        try:
            return process.wait(timeout=START_SECONDS + seconds)
        except subprocess.TimeoutExpired:
            return None
        finally:
            # Kill the whole session, so that no process is left behind even without namespaces.
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@cache
def _can_unshare() -> bool:
    try:
        return subprocess.run([*UNSHARE, "true"], capture_output=True).returncode == 0
    except OSError:
        return False


def _result(scratch: Path, status: int | None) -> dict[str, Any]:
    try:
        result: dict[str, Any] = json.loads((scratch / RESULT).read_text(encoding="utf-8"))
        return result
    except (OSError, ValueError):
        pass
    progress = scratch / PROGRESS
    part = progress.read_text(encoding="utf-8") if progress.is_file() else "the definitions"
    errors = (scratch / ERRORS).read_text(encoding="utf-8", errors="replace").strip()
    last = errors.split("\n")[-1][:200]
    # unshare cannot terminate with the signal that killed the worker, and prints a message instead.
    if status is None or status in (-signal.SIGKILL, -signal.SIGXCPU) or last.startswith("unshare:"):
        return {"problem": f"did not end and was stopped, in {part}"}
    words = f" ({last})" if last else ""
    return {"problem": f"its process ended with status {status} and without a result, in {part}{words}"}
