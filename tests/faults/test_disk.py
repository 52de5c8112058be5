"""A full disk and read-only results: a clear error, and earlier results are unchanged."""

import os
import re
import shutil
import subprocess

import pytest
from helpers.projects import SMALL_SETTINGS, copy_project, differences, result_files, run, snakemake

RUN = f"runs/lr~0.01/weight_decay~0.0/momentum~0.0/{SMALL_SETTINGS}/seed~256/train"
# All outputs of each job, written by shutil, tarfile, safetensors and csv, Matplotlib, Pandoc and Typst.
OUTPUTS = {
    "fetch": ["data/cifar-10-python.tar.gz", "data/source.json"],
    "prepare": [
        f"data/{name}"
        for name in ("train.safetensors", "validation.safetensors", "test.safetensors", "summary.json")
    ],
    "train": [
        f"{RUN}/{name}"
        for name in ("model.safetensors", "history.csv", "metrics.json", "validation_predictions.csv")
    ],
    "figures": [],
    "html": ["report.html"],
    "pdf": ["report.pdf"],
}


@pytest.fixture
def small_disk(project):
    """The results of a finished run on a separate file system, which `mount` can change."""
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


def changed_results(project, expected):
    """The differences but for manifests: those of jobs whose files are missing are removed at the start."""
    names = differences(result_files(project), expected)
    return [name for name in names if not re.search(r"^manifests/|/manifest\.json$", name)]


@pytest.mark.parametrize("outputs", OUTPUTS.values(), ids=OUTPUTS)
def test_full_disk(small_disk, outputs):
    results = small_disk / "results"
    finished = result_files(small_disk)
    outputs = outputs or [f"figures/{path.name}" for path in (results / "figures").iterdir()]
    for name in outputs:
        (results / name).unlink()
    earlier = result_files(small_disk)
    disk = os.statvfs(results)
    used = (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    mount(small_disk, f"size={used + disk.f_frsize}")

    targets = [f"results/{name}" for name in outputs]
    result = snakemake(small_disk, "--cores", "1", *targets)
    assert result.returncode == 1
    errors = set(re.findall("^error: .*", result.stdout, re.MULTILINE))
    assert len(errors) == 1, result.stdout
    assert re.search("results/.*No space left on device|No space left on device.*results/", errors.pop())
    assert "Traceback" not in result.stdout
    assert changed_results(small_disk, earlier) == []

    mount(small_disk, "size=64m")
    run(small_disk, *targets)
    assert changed_results(small_disk, finished) == []


def test_read_only_results_are_refused_by_name_and_stay_as_they_are(small_disk):
    earlier = result_files(small_disk)
    mount(small_disk, "ro")
    result = snakemake(small_disk, "--cores", "1", "--forcerun", "select")
    assert result.returncode == 1
    assert "Write-protected output files" in result.stdout, result.stdout
    assert "affected files:\n        results/" in result.stdout
    assert "Traceback" not in result.stdout
    assert differences(result_files(small_disk), earlier) == []


def test_no_job_is_started_where_new_results_cannot_be_written(small_disk):
    for name in ("report.md", "manifests/report.json"):
        (small_disk / "results" / name).unlink()
    earlier = result_files(small_disk)
    mount(small_disk, "ro")
    result = snakemake(small_disk, "--cores", "1", "results/report.md")
    assert result.returncode == 1
    assert "results/ cannot be written to; nothing was run" in result.stdout, result.stdout
    assert "Traceback" not in result.stdout
    assert differences(result_files(small_disk), earlier) == []


def test_a_disk_without_any_room_is_refused_before_snakemake_writes_its_records(tmp_path, small_config):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounting = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", disk], capture_output=True)
    if mounting.returncode != 0:
        pytest.skip("a small disk can be mounted by root only")
    try:
        folder = copy_project(disk / "project", small_config)
        with pytest.raises(OSError, match="No space left on device"), (disk / "filling").open("wb") as file:
            while True:
                file.write(bytes(2**16))
        result = snakemake(folder, "--cores", "1")
        assert result.returncode == 1
        # Snakemake also complains that it cannot write its log.
        assert f"{folder} cannot be written to (No space left on device)" in result.stdout, result.stdout
        assert not (folder / "results").exists()
    finally:
        subprocess.run(["umount", disk], check=True)


def test_a_read_only_project_is_refused(project):
    mounting = subprocess.run(["mount", "--bind", project, project], capture_output=True)
    if mounting.returncode != 0:
        pytest.skip("a folder can be mounted by root only")
    subprocess.run(["mount", "-o", "remount,ro,bind", project], check=True)
    result = snakemake(project, "--cores", "1", "--forcerun", "select")
    subprocess.run(["umount", project], check=True)
    assert result.returncode == 1
    assert f"{project} cannot be written to" in result.stdout, result.stdout
    assert "Traceback" not in result.stdout
