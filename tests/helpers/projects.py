"""Copies of the project with a small config, and Snakemake run in them as a user would."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
SOURCES = ["Snakefile", "workflow", "src", "report", "profiles"]
SMALL = {
    "data": {"classes": ["airplane", "bird"], "validation_fraction": 0.2},
    "model": {"hidden": [8, 4]},
    "training": {"epochs": 2, "batch_size": 32},
    "hyperparameters": [
        {"lr": 0.01, "weight_decay": 0.0, "momentum": 0.0},
        {"lr": 0.01, "weight_decay": 0.01, "momentum": 0.9},
    ],
    "report": {"title": "A small run", "authors": ["Ada", "Emmy"]},
}
# The part of its run folders that names the settings that differ from their defaults.
SMALL_SETTINGS = "batch_size~32/epochs~2/hidden~8-4"
# The jobs of each rule that follow the trainings.
AFTER_TRAINING = {
    "compare": 1,
    "select": 1,
    "evaluate": 1,
    "figures": 1,
    "facts": 1,
    "report": 1,
    "render": 2,
    "run_times": 1,
}


def copy_project(folder: Path, config: dict) -> Path:
    """Copy the project's sources to `folder`, with `config` as config.yaml."""
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy2(source, folder / name)
    write_config(folder, config)
    return folder


def read_config(folder: Path) -> dict:
    return yaml.safe_load((folder / "config.yaml").read_text())


def write_config(folder: Path, config: dict) -> None:
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))


def environment(folder: Path, **variables: str) -> dict[str, str]:
    """Environment variables for a run in `folder`: its own sources and cache, this Python first on PATH."""
    return os.environ | {
        "PYTHONPATH": str(folder / "src"),
        "HANDGRAD_CACHE": str(folder / "cache"),
        **variables,
    }


def snakemake(folder: Path, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake with `options` in `folder`; `stdout` holds both output streams."""
    return subprocess.run(
        [sys.executable, "-m", "snakemake", *options],
        cwd=folder,
        env=environment(folder, **variables),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def run(folder: Path, *options: str, **variables: str) -> str:
    """Run `snakemake --cores 2` with `options`, which must succeed, and return its output."""
    result = snakemake(folder, "--cores", "2", *options, **variables)
    assert result.returncode == 0, result.stdout
    return result.stdout


def planned(folder: Path, *options: str) -> dict[str, int]:
    """The number of jobs of each rule that a run would start, except `all`."""
    output = run(folder, "--dry-run", *options)
    if "Nothing to be done" in output:
        return {}
    table = output[output.rindex("Job stats:") :]
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}
    assert jobs.pop("total") == sum(jobs.values())
    jobs.pop("all", None)
    return jobs


def result_files(folder: Path) -> dict[str, bytes]:
    """The contents of every file under results/ that must be reproducible: all except the run times."""
    results = folder / "results"
    return {
        str(path.relative_to(results)): path.read_bytes()
        for path in sorted(results.rglob("*"))
        if path.is_file() and path.stem != "run_times"
    }


def differences(found: dict[str, bytes], expected: dict[str, bytes]) -> list[str]:
    """The names of the files that differ or exist on one side only."""
    return sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
