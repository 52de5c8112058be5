"""A full disk and read-only results: a clear error, and earlier results as they were."""

import os
import re
import shutil
import subprocess

import pytest
from projects import differences, result_files, run, snakemake

# All that a stage writes; by shutil, safetensors, csv, Matplotlib, Jinja, Pandoc and Typst.
OUTPUTS = {
    "fetch": ["data/cifar-10-python.tar.gz", "data/source.json"],
    "prepare": [
        "data/train.safetensors",
        "data/validation.safetensors",
        "data/test.safetensors",
        "data/summary.json",
    ],
    "train": ["runs"],
    "select": ["selection.json", "leaderboard.csv", "selected/model.safetensors"],
    "figures": ["figures"],
    "report": ["report.md"],
    "render": ["report.html", "report.pdf"],
}


@pytest.fixture
def small_disk(project):
    """The results of a finished run on a disk of their own, which `mount` changes."""
    results = project / "results"
    kept = results.rename(project / "kept")
    results.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64m", "tmpfs", results], capture_output=True
    )
    if mounting.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    shutil.copytree(kept, results, dirs_exist_ok=True)
    yield project
    subprocess.run(["umount", results], check=True)


def mount(project, options):
    subprocess.run(["mount", "-o", f"remount,{options}", project / "results"], check=True)


def remove(path):
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


@pytest.mark.parametrize("stage", OUTPUTS)
def test_full_disk(small_disk, stage):
    finished = result_files(small_disk)
    for name in OUTPUTS[stage]:
        remove(small_disk / "results" / name)
    remove(small_disk / "results/benchmarks")
    earlier = result_files(small_disk)
    disk = os.statvfs(small_disk / "results")
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    mount(small_disk, f"size={used + disk.f_frsize}")

    result = snakemake(small_disk, "--cores", "1", "--forcerun", stage)
    assert result.returncode == 1
    errors = set(re.findall("^error: .*", result.stdout, re.MULTILINE))
    assert len(errors) == 1, result.stdout
    assert re.search("results/.*No space left on device|No space left on device.*results/", errors.pop())
    assert "Traceback" not in result.stdout, result.stdout
    assert differences(result_files(small_disk), earlier) == []

    mount(small_disk, "size=64m")
    run(small_disk, "--rerun-incomplete", "--forcerun", stage)
    assert differences(result_files(small_disk), finished) == []


def test_results_that_are_write_protected_are_refused_by_name(small_disk):
    earlier = result_files(small_disk)
    mount(small_disk, "ro")
    result = snakemake(small_disk, "--cores", "1", "--forcerun", "select")
    assert result.returncode == 1
    assert "Write-protected output files" in result.stdout, result.stdout
    assert "affected files:\n        results/" in result.stdout, result.stdout
    assert "Traceback" not in result.stdout, result.stdout
    assert differences(result_files(small_disk), earlier) == []


def test_new_results_in_a_read_only_folder(small_disk):
    for name in OUTPUTS["select"]:
        remove(small_disk / "results" / name)
    earlier = result_files(small_disk)
    mount(small_disk, "ro")
    result = snakemake(small_disk, "--cores", "1", "results/selected/model.safetensors")
    assert result.returncode == 1
    assert "Read-only file system" in result.stdout, result.stdout
    assert "Traceback" not in result.stdout, result.stdout
    assert differences(result_files(small_disk), earlier) == []
