"""The training stage as a job runs it: in its own process."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from helpers.made_up_runs import write_split
from safetensors.numpy import load_file, save_file

from handgrad.stages.command_line import flags

pytestmark = pytest.mark.slow

TRAINERS = ("train", "train_manual_update", "train_manual_backprop")
FILES = ("model.safetensors", "history.csv", "metrics.json", "validation_predictions.csv")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_split(folder / "train.safetensors", [0, 1] * 40)
    write_split(folder / "validation.safetensors", [0, 1] * 10)
    return folder


def command(data, folder, **options):
    options = {
        "trainer": "train_manual_backprop",
        "lr": 0.05,
        "weight_decay": 0.01,
        "momentum": 0.9,
        "seed": 256,
        "epochs": 3,
        "batch_size": 32,
        "shuffle": False,
        "hidden": [8],
        "activation": "relu",
        "dtype": "float64",
        "device": "cpu",
        "threads": 1,
        "gradient_check_every": 0,
        "checkpoint_every": 0,
        "keep": "last",
    } | options
    options |= {f"{name}_data": data / f"{name}.safetensors" for name in ("train", "validation")}
    options |= {f"output_{name.split('.')[0].split('_')[-1]}": folder / name for name in FILES}
    return [sys.executable, "-m", "handgrad.stages.train", *flags(options)]


def train(data, folder, **options):
    folder.mkdir(exist_ok=True)
    result = subprocess.run(command(data, folder, **options), capture_output=True, text=True)
    return result.returncode, result.stderr


def contents(folder):
    return {name: (folder / name).read_bytes() for name in FILES}


def test_the_files_of_a_run(data, tmp_path):
    status, log = train(data, tmp_path)
    assert status == 0, log
    assert [line[:10] for line in log.splitlines()] == ["epoch 1/3:", "epoch 2/3:", "epoch 3/3:"]
    model = load_file(tmp_path / "model.safetensors")
    assert {name: array.shape for name, array in model.items()} == {
        "fc.1.weight": (8, 3072),
        "fc.1.bias": (8,),
        "fc.2.weight": (2, 8),
        "fc.2.bias": (2,),
    }
    history = list(csv.DictReader((tmp_path / "history.csv").open()))
    assert [row["epoch"] for row in history] == ["1", "2", "3"]
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["parameters"] == 3072 * 8 + 8 + 8 * 2 + 2
    assert metrics["diverged"] is False
    assert metrics["validation_loss"] == float(history[-1]["validation_loss"])
    predictions = list(csv.DictReader((tmp_path / "validation_predictions.csv").open()))
    correct = [row["label"] == row["predicted"] for row in predictions]
    assert np.mean(correct) == metrics["validation_accuracy"]


def test_a_diverged_run_ends_normally_and_is_recorded(data, tmp_path):
    status, log = train(data, tmp_path, lr=1e200)
    assert status == 0, log
    metrics = json.loads((tmp_path / "metrics.json").read_text())
    assert metrics["diverged"] is True
    assert metrics["diverged_epoch"] == 1
    assert metrics["training_loss"] is None
    assert metrics["epochs"] == 3


@pytest.mark.skipif(torch.cuda.is_available(), reason="PyTorch sees a GPU here")
def test_a_gpu_that_is_not_there_is_one_clear_error(data, tmp_path):
    status, log = train(data, tmp_path, device="cuda")
    assert (status, log) == (
        1,
        "error: device is cuda, but PyTorch sees no GPU here; set device to cpu or auto\n",
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_killed_training_continues_and_ends_with_the_same_bytes(data, tmp_path, trainer):
    options = {"trainer": trainer, "epochs": 150, "shuffle": True, "checkpoint_every": 1}
    assert train(data, tmp_path / "whole", **options | {"checkpoint_every": 0})[0] == 0
    killed = tmp_path / "killed"
    killed.mkdir()
    with subprocess.Popen(command(data, killed, **options), stderr=subprocess.DEVNULL) as job:
        while not (killed / "checkpoint.safetensors").exists():
            assert job.poll() is None
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
    assert not (killed / "model.safetensors").exists()
    status, log = train(data, killed, **options)
    assert status == 0
    assert "continuing after epoch" in log
    assert contents(killed) == contents(tmp_path / "whole")
    assert not (killed / "checkpoint.safetensors").exists()


# With this learning rate, validation is best after an epoch in the middle.
TURNING = {"epochs": 9, "lr": 0.3, "momentum": 0.9, "hidden": [8], "batch_size": 16}


@pytest.mark.parametrize("trainer", TRAINERS)
def test_the_best_epoch_is_kept_as_if_training_had_stopped_there(data, tmp_path, trainer):
    status, log = train(data, tmp_path / "best", trainer=trainer, keep="best", **TURNING)
    assert status == 0, log
    rows = list(csv.DictReader((tmp_path / "best/history.csv").open()))
    assert len(rows) == 9
    best = max(rows, key=lambda row: (float(row["validation_accuracy"]), -float(row["validation_loss"])))
    metrics = json.loads((tmp_path / "best/metrics.json").read_text())
    assert metrics["kept_epoch"] == int(best["epoch"])
    assert 1 < metrics["kept_epoch"] < 9
    assert metrics["validation_loss"] == float(best["validation_loss"])
    # Independently: the same training with as many epochs, by PyTorch.
    train(data, tmp_path / "stopped", trainer="train", **TURNING | {"epochs": metrics["kept_epoch"]})
    for name in ("model.safetensors", "validation_predictions.csv"):
        assert (tmp_path / "best" / name).read_bytes() == (tmp_path / "stopped" / name).read_bytes()


def test_a_resumed_training_still_keeps_the_best_epoch(data, tmp_path):
    options = TURNING | {"keep": "best", "checkpoint_every": 1, "epochs": 400}
    assert train(data, tmp_path / "whole", **options)[0] == 0
    assert json.loads((tmp_path / "whole/metrics.json").read_text())["kept_epoch"] < 100
    killed = tmp_path / "killed"
    killed.mkdir()
    with subprocess.Popen(command(data, killed, **options), stderr=subprocess.PIPE, text=True) as job:
        for line in job.stderr:
            if line.startswith("epoch 200/"):
                break
        job.send_signal(signal.SIGKILL)
    status, log = train(data, killed, **options)
    assert status == 0
    assert "continuing after epoch" in log
    assert contents(killed) == contents(tmp_path / "whole")
    assert sorted(path.name for path in killed.iterdir()) == sorted(FILES)


@pytest.mark.parametrize("change", ["damaged", "of other settings"])
def test_a_checkpoint_that_does_not_fit_is_left_aside(data, tmp_path, change):
    assert train(data, tmp_path / "whole")[0] == 0
    folder = tmp_path / "again"
    folder.mkdir()
    checkpoint = folder / "checkpoint.safetensors"
    if change == "damaged":
        checkpoint.write_bytes(b"not a checkpoint")
    else:
        save_file({"history": np.zeros((4, 1))}, checkpoint, metadata={"settings": "others"})
    status, log = train(data, folder, checkpoint_every=1)
    assert status == 0
    assert f"is {change}" in log
    assert "starting at the first epoch" in log
    assert contents(folder) == contents(tmp_path / "whole")


def test_a_checkpoint_of_a_longer_training_is_left_aside(data, tmp_path):
    folder = tmp_path / "shorter"
    folder.mkdir()
    with subprocess.Popen(
        command(data, folder, epochs=1000, checkpoint_every=5), stderr=subprocess.DEVNULL
    ) as job:
        while not (folder / "checkpoint.safetensors").exists():
            assert job.poll() is None
            time.sleep(0.01)
        job.send_signal(signal.SIGKILL)
    assert train(data, folder, checkpoint_every=5)[0] == 0
    assert json.loads((folder / "metrics.json").read_text())["epochs"] == 3


def test_damaged_data_is_one_clear_error(data, tmp_path):
    damaged = tmp_path / "train.safetensors"
    damaged.write_bytes((data / "train.safetensors").read_bytes()[:1000])
    (tmp_path / "validation.safetensors").symlink_to(data / "validation.safetensors")
    status, log = train(tmp_path, tmp_path / "run")
    assert status == 1
    assert log.startswith(f"error: {damaged}: not a prepared split (")
    assert len(log.splitlines()) == 1
    assert list((tmp_path / "run").iterdir()) == []


def test_a_training_imports_only_what_it_needs(data, tmp_path):
    program = (
        "import sys\n"
        "from handgrad.stages import train\n"
        "from handgrad.stages.command_line import parse\n"
        "train.main(parse(train.Options))\n"
        "print([name for name in ('pandas', 'matplotlib', 'sklearn', 'torch._dynamo')"
        " if name in sys.modules])"
    )
    arguments = command(data, tmp_path)[3:]
    result = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, env=dict(os.environ)
    )
    assert result.stdout == "[]\n", result.stderr


@pytest.mark.parametrize("trainer", TRAINERS)
def test_a_shuffled_training_has_the_bits_of_pytorch(data, tmp_path, trainer):
    options = {"shuffle": True, "momentum": 0.9, "nesterov": True, "hidden": [8, 4], "batch_size": 16}
    assert train(data, tmp_path / "reference", trainer="train", **options)[0] == 0
    status, log = train(data, tmp_path / "run", trainer=trainer, **options)
    assert status == 0, log
    for name in ("model.safetensors", "history.csv"):
        assert (tmp_path / "run" / name).read_bytes() == (tmp_path / "reference" / name).read_bytes()
    metrics = json.loads((tmp_path / "run/metrics.json").read_text())
    assert metrics["shuffle"] is metrics["nesterov"] is True
    assert (metrics["hidden"], metrics["batch_size"], metrics["epochs"]) == ([8, 4], 16, 3)
