"""Provenance of a run: package versions, machine and commit. Read-only."""

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = (
    "handgrad",
    "torch",
    "numpy",
    "scipy",
    "pandas",
    "scikit-learn",
    "safetensors",
    "matplotlib",
    "pillow",
    "jinja2",
    "pypandoc-binary",
    "typst",
    "snakemake",
)
CPU_INFO = Path("/proc/cpuinfo")
GPU_INFO = Path("/proc/driver/nvidia/gpus")


def collect(folder: Path, fingerprints: dict[str, str]) -> dict[str, Any]:
    """Collect the provenance of a run in `folder`; `fingerprints` are the code fingerprints by stage."""
    return {
        "python": platform.python_version(),
        "packages": [{"name": name, "version": _version(name)} for name in PACKAGES],
        "system": f"{platform.system()} {platform.machine()}",
        "cpu": _cpu(),
        "cpu_count": os.cpu_count(),
        "gpus": _gpus(),
        "git": git_state(folder),
        "fingerprints": [{"stage": stage, "fingerprint": value} for stage, value in fingerprints.items()],
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """Return the commit checked out in `folder` and whether the tree is clean; None outside a repository.

    A copy of the project inside another repository that does not track it counts as outside.
    """
    if _git(folder, "ls-files", "--error-unmatch", "Snakefile") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    return None if commit is None or status is None else {"commit": commit, "clean": not status}


def _git(folder: Path, *arguments: str) -> str | None:
    """Return the output of a git command; None if git is not installed or this is not a repository."""
    try:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu() -> str:
    return _entry(CPU_INFO, "model name") or platform.processor() or platform.machine()


def _gpus() -> list[str]:
    """Return the NVIDIA GPUs listed by the driver, whether or not they were used."""
    models = [_entry(path, "Model") for path in sorted(GPU_INFO.glob("*/information"))]
    return [model for model in models if model]


def _entry(path: Path, key: str) -> str | None:
    """Return the first value of a key in a file of `key : value` lines; None if file or key is missing."""
    if not path.is_file():
        return None
    entries = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return next((value.strip() for name, value in entries if name.strip() == key), None)
