import hashlib
import json
import struct
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from handgrad.errors import HandgradError
from handgrad.stages import compare

TRAINERS = ("train", "train_manual_update")
# SHA-256 of the parameters of a model whose only one, fc.1.weight, is [[1.0]].
OF_ONE = hashlib.sha256(b"fc.1.weight float64 (1, 1)\n" + struct.pack("<d", 1.0)).hexdigest()
FILES = ("model.safetensors", "history.csv", "metrics.json", "validation_predictions.csv")


def write(folder, trainer, weight=1.0, loss=0.5, accuracy=0.5):
    run = folder / trainer
    run.mkdir(parents=True)
    save_file({"fc.1.weight": np.array([[weight]])}, run / "model.safetensors")
    header = "epoch,training_loss,validation_loss,training_accuracy,validation_accuracy"
    (run / "history.csv").write_text(f"{header}\n1,{loss!r},nan,{accuracy},0.5\n")
    hyperparameters = {"lr": 0.1, "weight_decay": 0.0, "momentum": 0.0, "seed": 256, "epochs": 1}
    (run / "metrics.json").write_text(json.dumps(hyperparameters))
    (run / "validation_predictions.csv").write_text(f"index,true,p_airplane\n7,airplane,{accuracy}\n")


@pytest.fixture
def run(tmp_path):
    def run(*folders, others=(), tolerance=0.0):
        output = tmp_path / "comparison.json"
        compare.main(compare.Options(list(folders), list(others), list(TRAINERS), tolerance, output))
        return json.loads((tmp_path / "comparison.json").read_text())

    return run


def test_equal_runs_are_bit_identical(run, tmp_path):
    for trainer in TRAINERS:
        write(tmp_path / "a", trainer)
    found = run(tmp_path / "a")
    assert found["bit_identical"] is True
    content = b"".join((tmp_path / "a/train" / name).read_bytes() for name in FILES)
    digest = hashlib.sha256(content).hexdigest()
    assert found["runs"] == [
        {
            "lr": 0.1,
            "weight_decay": 0.0,
            "momentum": 0.0,
            "seed": 256,
            "epochs": 1,
            "loss_difference": 0.0,
            "parameter_difference": 0.0,
            "bit_identical": True,
            "first_different_epoch": None,
            "digests": {"train": OF_ONE, "train_manual_update": OF_ONE},
            "sha256": {"train": digest, "train_manual_update": digest},
        }
    ]


def test_a_run_of_the_first_trainer_alone_is_recorded_but_not_compared(run, tmp_path):
    for trainer in TRAINERS:
        write(tmp_path / "a", trainer)
    write(tmp_path / "b", "train", weight=7.0)
    found = run(tmp_path / "a", others=[tmp_path / "b"])
    assert len(found["runs"]) == 1
    assert found["bit_identical"] is True
    content = b"".join((tmp_path / "b/train" / name).read_bytes() for name in FILES)
    assert [other["sha256"] for other in found["others"]] == [{"train": hashlib.sha256(content).hexdigest()}]


@pytest.mark.parametrize("name", FILES)
def test_the_comparison_differs_where_any_file_of_a_run_does(run, tmp_path, name):
    for trainer in TRAINERS:
        write(tmp_path / "a", trainer)
    before = run(tmp_path / "a")
    if name == "model.safetensors":
        for trainer in TRAINERS:
            save_file({"fc.1.weight": np.array([[2.0]])}, tmp_path / "a" / trainer / name)
    else:
        with (tmp_path / "a/train" / name).open("a") as file:
            file.write("\n")
    assert run(tmp_path / "a")["runs"] != before["runs"]


def test_differences_within_the_tolerance_are_recorded(run, tmp_path):
    write(tmp_path / "a", "train")
    write(tmp_path / "a", "train_manual_update", weight=1.0 + 2.0**-52, loss=0.5 + 2.0**-50)
    found = run(tmp_path / "a", tolerance=1e-12)
    assert found["bit_identical"] is False
    assert found["runs"][0]["first_different_epoch"] == 1
    assert len(set(found["runs"][0]["digests"].values())) == 2
    assert found["largest_parameter_difference"] == 2.0**-52
    assert found["largest_loss_difference"] == 2.0**-50


def test_a_difference_of_accuracies_is_no_difference_of_losses(run, tmp_path):
    write(tmp_path / "a", "train")
    write(tmp_path / "a", "train_manual_update", loss=0.5 + 2.0**-50, accuracy=0.75)
    assert run(tmp_path / "a", tolerance=1e-12)["largest_loss_difference"] == 2.0**-50


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("history.csv", b"epoch,training_loss\n1,?\n"),
        ("history.csv", b"epoch,training_loss,validation_loss\n1,0.5,nan\n2,0.4,nan\n"),
        ("model.safetensors", b"no model"),
    ],
    ids=["damaged history", "another number of epochs", "damaged model"],
)
def test_files_that_cannot_be_compared_are_an_error_that_names_the_run(run, tmp_path, name, content):
    for trainer in TRAINERS:
        write(tmp_path / "a", trainer)
    (tmp_path / "a" / "train_manual_update" / name).write_bytes(content)
    with pytest.raises(HandgradError, match=f"{tmp_path / 'a'}: histories or models cannot be compared"):
        run(tmp_path / "a")


def test_a_difference_above_the_tolerance_ends_in_an_error_that_names_the_run(tmp_path):
    for trainer in TRAINERS:
        write(tmp_path / "same", trainer)
    write(tmp_path / "other", "train")
    write(tmp_path / "other", "train_manual_update", weight=1.5)
    command = [sys.executable, "-m", "handgrad.stages.compare", "--trainers", *TRAINERS, "--tolerance=0.25"]
    command += [
        f"--output-comparison={tmp_path / 'comparison.json'}",
        "--run-folders",
        tmp_path / "same",
        tmp_path / "other",
        "--other-folders",
    ]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == (
        "error: the trainers disagree by more than comparison.tolerance, 0.25:\n"
        f"  {tmp_path / 'other'}: losses differ by 0, parameters by 0.5 "
        "between train and train_manual_update\n"
    )
    assert not (tmp_path / "comparison.json").exists()
