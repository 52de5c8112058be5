"""Snakemake as a background process, and the jobs that it starts."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
from helpers.projects import environment


def start(folder: Path, *options: str) -> subprocess.Popen[bytes]:
    """Start Snakemake in `folder` in its own process group, as a terminal does, with output in output.txt."""
    with (folder / "output.txt").open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "snakemake", *options],
            cwd=folder,
            env=environment(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def jobs(folder: Path, stage: str = "") -> list[psutil.Process]:
    """The processes of all stages, or of one stage, running in `folder`, including orphans."""
    return [
        process
        for process in psutil.process_iter(["pid", "cmdline", "cwd"])
        if process.info["cwd"] == os.fspath(folder)
        and process.info["cmdline"][1:2] == ["-m"]
        and process.info["cmdline"][2].startswith(f"handgrad.stages.{stage}")
    ]


def wait_for(condition: Callable[[], object], seconds: float = 120) -> None:
    """Wait until `condition` holds; fail after a timeout."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not come to that"
        time.sleep(0.02)
