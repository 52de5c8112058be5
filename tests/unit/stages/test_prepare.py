import json
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.small_archives import make_batches
from safetensors.numpy import load_file

from handgrad.data import archives

pytestmark = pytest.mark.slow


def prepare(folder, archive):
    names = ("train", "validation", "test")
    command = [sys.executable, "-m", "handgrad.stages.prepare", f"--archive={archive}"]
    command += ["--classes", "bird", "airplane", "--validation-fraction=0.2", "--seed=256"]
    command += [f"--output-{name}={folder / name}.safetensors" for name in names]
    command += [f"--output-summary={folder / 'summary.json'}"]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """The stage's outputs for an archive with one image in both the training and the test batches."""
    folder = tmp_path_factory.mktemp("prepared")
    batches = make_batches(per_class_train=50, per_class_test=10)
    batches["test_batch"]["data"][0] = batches["data_batch_1"]["data"][0]
    batches["test_batch"]["labels"][0] = batches["data_batch_1"]["labels"][0]
    archives.write_archive(folder / "archive.tar.gz", batches)
    os.umask(mask := os.umask(0))
    result = prepare(folder / "out", folder / "archive.tar.gz")
    assert result.returncode == 0, result.stderr
    return folder / "out", mask


def read(prepared, name):
    return load_file(prepared[0] / f"{name}.safetensors")


def test_the_files_have_images_labels_positions_and_statistics(prepared):
    for name, count in (("train", 80), ("validation", 20), ("test", 20)):
        tensors = read(prepared, name)
        assert {key: (value.dtype, value.shape) for key, value in tensors.items()} == {
            "images": (np.uint8, (count, 3, 32, 32)),
            "labels": (np.int64, (count,)),
            "indices": (np.int64, (count,)),
            "mean": (np.float64, (3,)),
            "std": (np.float64, (3,)),
        }


def test_the_statistics_are_those_of_the_training_images_alone(prepared):
    images = read(prepared, "train")["images"] / 255
    for name in ("train", "validation", "test"):
        assert read(prepared, name)["mean"] == pytest.approx(images.mean(axis=(0, 2, 3)), rel=1e-12)
        assert read(prepared, name)["std"] == pytest.approx(images.std(axis=(0, 2, 3)), rel=1e-12)


def test_the_summary_counts_the_images_and_finds_the_duplicate(prepared):
    summary = json.loads((prepared[0] / "summary.json").read_text())
    assert summary["classes"] == ["bird", "airplane"]
    assert summary["splits"]["test"]["images"] == 20
    labels = read(prepared, "train")["labels"]
    assert summary["splits"]["train"]["class_counts"] == {
        "bird": int((labels == 0).sum()),
        "airplane": int((labels == 1).sum()),
    }
    between = summary["duplicates_between"]
    assert between["train/test"] + between["validation/test"] == 1
    assert between["train/validation"] == 0
    assert summary["official_training_images"] == 100


def test_the_files_are_readable_by_those_whom_the_umask_admits(prepared):
    for path in prepared[0].iterdir():
        assert path.stat().st_mode & 0o777 == 0o666 & ~prepared[1]


def test_nothing_else_is_written(prepared):
    names = sorted(path.name for path in prepared[0].iterdir())
    assert names == ["summary.json", "test.safetensors", "train.safetensors", "validation.safetensors"]


@pytest.mark.parametrize("body", [b"", b"<html>"], ids=["empty", "a web page"])
def test_a_bad_archive_ends_in_one_line_and_leaves_nothing(tmp_path, body):
    (tmp_path / "bad.tar.gz").write_bytes(body)
    result = prepare(tmp_path / "out", tmp_path / "bad.tar.gz")
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {tmp_path / 'bad.tar.gz'}: not a complete gzipped tar archive")
    assert result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_an_archive_of_one_class_is_named(tmp_path):
    archives.write_archive(tmp_path / "one.tar.gz", make_batches(classes=["bird"]))
    result = prepare(tmp_path / "out", tmp_path / "one.tar.gz")
    assert result.returncode == 1
    assert result.stderr == (
        f"error: {tmp_path / 'one.tar.gz'}: the training images have none of class airplane; "
        "use an archive that has some, other classes (data.classes), or more images (data.images_per_class)\n"
    )
    assert not (tmp_path / "out").exists()
