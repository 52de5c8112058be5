"""Where a run's numbers come from: versions, machine, commit. Reads the machine, writes nothing."""

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
    """The provenance of a run in `folder`; `fingerprints` are those of the stages' code, by stage."""
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
    """The commit checked out in `folder` and whether the tree is as committed; None outside a repository.

    A copy of the project within another repository, which does not track it, is outside.
    """
    if _git(folder, "ls-files", "--error-unmatch", "Snakefile") is None:
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    status = _git(folder, "status", "--porcelain")
    return None if commit is None or status is None else {"commit": commit, "clean": not status}


def _git(folder: Path, *arguments: str) -> str | None:
    """What a git command prints; None if there is no git, or no repository."""
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
    """The NVIDIA GPUs that the driver lists, whether or not they were used."""
    models = [_entry(path, "Model") for path in sorted(GPU_INFO.glob("*/information"))]
    return [model for model in models if model]


def _entry(path: Path, key: str) -> str | None:
    """The first value of a key in a file of `key : value` lines; None without file or key."""
    if not path.is_file():
        return None
    entries = (line.split(":", 1) for line in path.read_text().splitlines() if ":" in line)
    return next((value.strip() for name, value in entries if name.strip() == key), None)
