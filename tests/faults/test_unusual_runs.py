"""Snakemake options and environments that few people use: the run ends well, or is rejected by name."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import processes
from helpers.projects import (
    AFTER_TRAINING,
    SMALL,
    SMALL_SETTINGS,
    copy_project,
    differences,
    environment,
    planned,
    result_files,
    run,
    snakemake,
    write_config,
)

LR = 0.01
METRICS = f"results/runs/lr~{LR}/weight_decay~0.0/momentum~0.0/{SMALL_SETTINGS}/seed~256/train/metrics.json"
FAILS_AT_LR = """
import torch

def train_manual_update(n_epochs, lr, model, loss_fn, train_loader):
    if lr == 0.02:
        raise ValueError("this learning rate fails")
    for _ in range(n_epochs):
        for inputs, labels in train_loader:
            model.zero_grad()
            loss_fn(model(inputs), labels).backward()
            with torch.no_grad():
                for parameter in model.parameters():
                    parameter -= lr * parameter.grad
"""


@pytest.fixture(scope="module")
def undisturbed(finished_run):
    return result_files(finished_run[0])


def edit(path):
    path.write_text(path.read_text() + " ")


def shell(folder, script):
    """Run a shell script in `folder`, in which $SNAKEMAKE is the command."""
    variables = environment(folder, SNAKEMAKE=f"{sys.executable} -m snakemake --cores 2")
    return subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_touch_does_not_hide_an_edited_result(project, undisturbed):
    assert "Traceback" not in run(project, "--touch")
    assert differences(result_files(project), undisturbed) == []
    assert planned(project) == {}

    edit(project / METRICS)
    assert f"{METRICS} is not what the rule train wrote" in run(project, "--touch")
    run(project)
    assert differences(result_files(project), undisturbed) == []


def test_triggers_by_time_alone_do_not_hide_an_edited_result(project):
    assert planned(project, "--rerun-triggers", "mtime") == {}
    edit(project / METRICS)
    assert planned(project, "--rerun-triggers", "mtime") == {"train": 1, **AFTER_TRAINING}


@pytest.mark.long
def test_a_run_in_parts_in_another_folder_gives_the_same_bytes(tmp_path, project, undisturbed):
    shutil.rmtree(project / "results")
    data = tmp_path / "elsewhere"
    data.mkdir()
    result = snakemake(project, "--cores", "2", "--directory", str(data))
    assert result.returncode == 1
    assert "config.yaml" in result.stdout
    assert "Traceback" not in result.stdout

    shutil.copy2(project / "config.yaml", data)
    run(project, "--directory", str(data), "--until", "compare", "--shadow-prefix", str(tmp_path / "shadow"))
    assert (data / "results/comparison.json").exists()
    assert not (data / "results/report.html").exists()
    run(project, "--directory", str(data), "--cores", "64")
    assert not (project / "results").exists()
    with_template_paths = [
        f"manifests/{job}.json" for job in ("facts", "render_html", "render_pdf", "report")
    ]
    assert differences(result_files(data), undisturbed) == with_template_paths


def test_keep_going_keeps_the_other_combinations(tmp_path, small_config):
    config = small_config | {
        "hyperparameters": [{"lr": lr, "weight_decay": 0.0, "momentum": 0.0} for lr in (LR, 0.02)],
        "training": small_config["training"] | {"trainers": ["train", "ada.py:train_manual_update"]},
        "comparison": {"tolerance": 1e-8},
    }
    folder = copy_project(tmp_path / "project", config)
    (folder / "ada.py").write_text(FAILS_AT_LR)
    result = snakemake(folder, "--cores", "2", "--keep-going")
    assert result.returncode == 1
    assert "this learning rate fails" in result.stdout
    assert f"logs/train/lr~0.02/weight_decay~0.0/momentum~0.0/{SMALL_SETTINGS}/seed~256" in result.stdout
    trained = {
        str(path.parent.relative_to(folder / "results/runs")) for path in folder.rglob("model.safetensors")
    }
    settings = f"weight_decay~0.0/momentum~0.0/{SMALL_SETTINGS}/seed~256"
    assert trained == {
        f"lr~0.01/{settings}/train",
        f"lr~0.01/{settings}/ada.train_manual_update",
        f"lr~0.02/{settings}/train",
    }
    assert not (folder / "results/comparison.json").exists()

    write_config(folder, config | {"hyperparameters": config["hyperparameters"][:1]})
    assert "train" not in planned(folder)


@pytest.mark.long
@pytest.mark.parametrize("target", ["group", "snakemake"])
def test_a_closed_terminal(project, undisturbed, target):
    """SIGHUP, which a closed terminal sends to the group, and some batch systems to Snakemake alone."""
    shutil.rmtree(project / "results/runs")
    process = processes.start(project, "--cores", "2")
    processes.wait_for(lambda: processes.jobs(project), 60)
    if target == "group":
        os.killpg(process.pid, signal.SIGHUP)
    else:
        process.send_signal(signal.SIGHUP)
    assert process.wait(timeout=120) != 0
    if snakemake(project, "--cores", "2", "--rerun-incomplete").returncode != 0:
        assert snakemake(project, "--unlock").returncode == 0
        run(project, "--rerun-incomplete")
    assert differences(result_files(project), undisturbed) == []


@pytest.mark.long
def test_a_suspended_run_goes_on(project, undisturbed):
    """Ctrl-Z and fg."""
    shutil.rmtree(project / "results/runs")
    process = processes.start(project, "--cores", "2")
    processes.wait_for(lambda: processes.jobs(project), 60)
    os.killpg(process.pid, signal.SIGSTOP)
    time.sleep(2)
    os.killpg(process.pid, signal.SIGCONT)
    assert process.wait(timeout=300) == 0, (project / "output.txt").read_text()
    (project / "output.txt").unlink()
    assert differences(result_files(project), undisturbed) == []


@pytest.mark.long
def test_too_little_address_space(project, undisturbed):
    shutil.rmtree(project / "results/runs")
    result = shell(project, "ulimit -v 2500000; exec $SNAKEMAKE")
    assert result.returncode == 1
    assert "logs/train/" in result.stdout or "error: " in result.stdout, result.stdout
    assert not list((project / "results/runs").rglob("model.safetensors"))
    run(project)
    assert differences(result_files(project), undisturbed) == []


@pytest.mark.long
def test_a_clock_that_was_ahead(project, undisturbed):
    """All results are from tomorrow: changes are still seen, and a job whose inputs are newer is rejected."""
    tomorrow = time.time() + 86_400
    for path in [*(project / "results").rglob("*"), *(project / ".snakemake").rglob("*")]:
        os.utime(path, (tomorrow, tomorrow))
    assert planned(project) == {}
    edit(project / METRICS)
    result = snakemake(project, "--cores", "2")
    assert result.returncode == 1
    assert "clock skew" in result.stdout
    assert "has older modification time" in result.stdout
    assert "Traceback" not in result.stdout

    result = shell(project, "find results -exec touch {} + && $SNAKEMAKE")
    assert result.returncode == 0, result.stdout
    assert differences(result_files(project), undisturbed) == []


def test_a_locale_that_is_not_installed(project, undisturbed):
    output = run(project, "--forcerun", "report", LC_ALL="xx_XX.UTF-8")
    assert "The locale of the environment is not installed; the jobs use C.UTF-8." in output
    assert "setlocale" not in output
    assert differences(result_files(project), undisturbed) == []


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "named pipe"])
def test_an_archive_that_is_no_file(tmp_path, make):
    config = SMALL | {"data": {"source": "archive", "archive": "own.tar.gz"}}
    folder = copy_project(tmp_path / "project", config)
    make(folder / "own.tar.gz")
    result = snakemake(folder, "--cores", "1")
    assert result.returncode == 1
    assert "data.archive is 'own.tar.gz'; there is no such file but a folder or device" in result.stdout
    assert "Traceback" not in result.stdout
    assert not (folder / "results").exists()


@pytest.fixture
def unshared():
    if subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode != 0:
        pytest.skip("file systems can be mounted by root only")


@pytest.mark.long
def test_without_shared_memory(unshared, project, undisturbed):
    shutil.rmtree(project / "results/runs")
    result = shell(project, "exec unshare --mount bash -c 'umount --lazy /dev/shm; exec $SNAKEMAKE'")
    assert result.returncode == 0, result.stdout
    assert differences(result_files(project), undisturbed) == []


@pytest.mark.long
@pytest.mark.parametrize("options", ["size=64k", "ro"])
def test_a_temporary_folder_that_is_full_or_read_only(unshared, project, undisturbed, options):
    """Typst, pandoc and Snakemake write temporary files: the run either needs none, or names the folder."""
    (project / "tmp").mkdir()
    for name in ("report.html", "report.pdf", "selection.json"):
        (project / "results" / name).unlink()
    mount = (
        f"mount -t tmpfs -o {options} tmpfs tmp; export TMPDIR=$PWD/tmp; head -c 1M /dev/zero > tmp/filling"
    )
    result = shell(project, f"exec unshare --mount bash -c '{mount}; exec $SNAKEMAKE'")
    assert "Traceback" not in result.stdout
    if result.returncode != 0:
        assert "No space left on device" in result.stdout or "Read-only" in result.stdout, result.stdout
        run(project)
    assert differences(result_files(project), undisturbed) == []
