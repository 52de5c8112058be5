"""Snakemake and its jobs killed: no partial file is left, and the next run gives bit-identical results.

HANDGRAD_KILLS sets the number of random kills; `pytest -s` prints each of them.
"""

import os
import random
import shutil
import signal
import subprocess
from base64 import urlsafe_b64encode
from collections import Counter

import pytest
from helpers import processes
from helpers.processes import jobs, wait_for
from helpers.projects import copy_project, differences, planned, result_files, run, snakemake

# Several minutes of kills.
pytestmark = pytest.mark.long

KILLS = int(os.environ.get("HANDGRAD_KILLS", "8"))
# To the process group, as by Ctrl-C in a terminal or a batch system that ends a job; to Snakemake alone;
# to one of its jobs. SIGKILL of Snakemake alone is tested separately.
WAYS = [
    (signal.SIGKILL, "group"),
    (signal.SIGTERM, "group"),
    (signal.SIGINT, "group"),
    (signal.SIGTERM, "snakemake"),
    (signal.SIGINT, "snakemake"),
    (signal.SIGKILL, "job"),
    (signal.SIGTERM, "job"),
    (signal.SIGINT, "job"),
]
RUN_FILES = ["model.safetensors", "history.csv", "metrics.json", "validation_predictions.csv"]


@pytest.fixture(scope="module")
def config(small_config):
    return small_config | {"training": {"epochs": 1000, "batch_size": 32, "checkpoint_every": 50}}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory, config):
    """The result files of an undisturbed run."""
    folder = copy_project(tmp_path_factory.mktemp("undisturbed") / "project", config)
    run(folder)
    files = result_files(folder)
    shutil.rmtree(folder)
    return files


def start(folder):
    return processes.start(folder, "--cores", "4", "--rerun-incomplete")


def send(process, folder, number, target, chance):
    """Send the signal, wait until Snakemake has exited, and return the name of the signalled process."""
    running = sorted(jobs(folder), key=lambda job: job.pid) if target == "job" else []
    if running:
        chance.choice(running).send_signal(number)
    elif target == "snakemake":
        process.send_signal(number)
    else:
        target = "group"
        os.killpg(process.pid, number)
    process.wait(timeout=120)
    return target


def finish(folder):
    """Run Snakemake to completion, unlocking the folder if required."""
    process = start(folder)
    if process.wait(timeout=300) != 0:
        unlock_as_asked(folder)
        process = start(folder)
        assert process.wait(timeout=300) == 0, (folder / "output.txt").read_text()


def unlock_as_asked(folder):
    output = (folder / "output.txt").read_text()
    assert "--unlock" in output, output
    result = snakemake(folder, "--unlock")
    assert result.returncode == 0, result.stdout


def finished_trainings(folder):
    """The inodes and times of the files of each training that Snakemake has recorded as finished."""
    incomplete = folder / ".snakemake/incomplete"
    finished = {}
    for model in (folder / "results/runs").rglob("model.safetensors"):
        paths = [model.with_name(name) for name in RUN_FILES]
        markers = [urlsafe_b64encode(str(path.relative_to(folder)).encode()).decode() for path in paths]
        if all(path.exists() for path in paths) and not any((incomplete / name).exists() for name in markers):
            finished[model.parent] = [(path.stat().st_ino, path.stat().st_mtime_ns) for path in paths]
    return finished


def half_written(folder, undisturbed):
    """The result files under a final name that differ from those of the undisturbed run."""
    return [
        name
        for name, content in result_files(folder).items()
        if ".partial" not in name
        and not name.endswith("checkpoint.safetensors")
        and content != undisturbed[name]
    ]


def test_random_kills(tmp_path, config, undisturbed):
    chance = random.Random(6)
    tally = Counter()
    kept_in_all = 0
    while tally.total() < KILLS:
        folder = copy_project(tmp_path / f"after_{tally.total()}_kills", config)
        kept = {}
        ended = False
        while not ended:
            process = start(folder)
            enough = tally.total() >= KILLS
            moment = chance.uniform(1, 10)
            try:
                process.wait(timeout=300 if enough else moment)
            except subprocess.TimeoutExpired:
                if enough:
                    process.kill()
                    raise
                number, target = chance.choice(WAYS)
                target = send(process, folder, number, target, chance)
                tally[f"{number.name} to the {target}"] += 1
                print(
                    f"{number.name} to the {target} after {moment:.1f} s, {len(kept)} trainings were finished"
                )
                assert half_written(folder, undisturbed) == []
            else:
                ended = process.returncode == 0
                if not ended:
                    unlock_as_asked(folder)
            now = finished_trainings(folder)
            assert {run_folder: now.get(run_folder) for run_folder in kept} == kept
            kept |= now
        kept_in_all += len(kept)
        assert differences(result_files(folder), undisturbed) == []
    for name, count in sorted(tally.items()):
        print(f"{count:3} times {name}")
    print(f"{kept_in_all} trainings kept")


def test_a_killed_training_continues_from_its_checkpoint_to_the_same_bits(tmp_path, config, undisturbed):
    folder = copy_project(tmp_path / "project", config)
    process = start(folder)
    wait_for(lambda: list(folder.rglob("checkpoint.safetensors")))
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    killed = [
        path.parent.relative_to(folder / "results/runs") for path in folder.rglob("checkpoint.safetensors")
    ]
    finish(folder)
    assert killed
    for run_folder in killed:
        log = (folder / "logs/train" / run_folder).with_suffix(".log").read_text()
        assert "continuing after epoch" in log
    assert differences(result_files(folder), undisturbed) == []


@pytest.mark.parametrize("moment", ["beside the new jobs", "after the new run"])
def test_an_orphan_that_goes_on_writing_does_no_harm(tmp_path, config, undisturbed, moment):
    folder = copy_project(tmp_path / "project", config)
    process = start(folder)
    wait_for(lambda: list(folder.rglob("checkpoint.safetensors")))
    orphans = jobs(folder, "train")
    for orphan in orphans:
        orphan.suspend()
    process.kill()
    process.wait()
    assert orphans

    assert start(folder).wait(timeout=120) != 0
    unlock_as_asked(folder)
    new = start(folder)
    if moment == "beside the new jobs":
        wait_for(lambda: len(jobs(folder, "train")) > len(orphans))
    else:
        new.wait(timeout=300)
    for orphan in orphans:
        orphan.resume()
    assert new.wait(timeout=300) == 0, (folder / "output.txt").read_text()
    wait_for(lambda: not jobs(folder))
    assert differences(result_files(folder), undisturbed) == []
    assert planned(folder) == {}
