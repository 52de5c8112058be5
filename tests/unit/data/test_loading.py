import pickle
import shutil

import numpy as np
import pytest
import torch
from helpers.small_archives import make_batches, write_archive

from handgrad.data.archives import Labelled, read_folder
from handgrad.data.loading import load_cifar2, split_classes
from handgrad.errors import DataError


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (100, 3, 32, 32), dtype=np.uint8)


@pytest.fixture
def everything(images):
    """100 images of ten classes, ten each, and 20 test images."""
    labels = np.arange(100) % 10
    return Labelled(images, labels), Labelled(images[:20], labels[:20])


def test_the_split_divides_the_chosen_images_into_two_parts(everything):
    training, validation, test = split_classes(*everything, ["bird", "airplane"], 0.3, 7)
    together = sorted(training.indices.tolist() + validation.indices.tolist())
    assert together == sorted([*range(0, 100, 10), *range(2, 100, 10)])
    assert test.indices.tolist() == [0, 2, 10, 12]


def test_the_split_is_pytorchs_random_split_of_all_images_before_the_classes_are_chosen(everything):
    training, validation, _ = split_classes(*everything, ["airplane", "bird"], 0.3, 7)
    generator = torch.Generator().manual_seed(7)
    parts = torch.utils.data.random_split(range(100), [0.7, 0.3], generator=generator)
    expected = [[i for i in part.indices if i % 10 in (0, 2)] for part in parts]
    assert [training.indices.tolist(), validation.indices.tolist()] == expected


def test_labels_are_positions_in_the_order_of_the_classes(everything):
    training, _, _ = split_classes(*everything, ["bird", "airplane"], 0.3, 7)
    expected = [0 if index % 10 == 2 else 1 for index in training.indices.tolist()]
    assert training.labels.tolist() == expected
    assert np.array_equal(training.images, everything[0].images[training.indices])


def test_a_trial_keeps_the_first_images_of_each_class_where_the_split_puts_them(everything):
    whole = split_classes(*everything, ["bird", "airplane"], 0.3, 7)
    some = split_classes(*everything, ["bird", "airplane"], 0.3, 7, images_per_class=5)
    for all_of_them, kept in zip(whole[:2], some[:2], strict=True):
        assert kept.indices.tolist() == [i for i in all_of_them.indices.tolist() if i < 50]
    assert some[2].indices.tolist() == [0, 2]  # a fifth as many, one of each class


def test_another_seed_gives_another_split(everything):
    one = split_classes(*everything, ["airplane", "bird"], 0.3, 7)[1].indices.tolist()
    assert one == split_classes(*everything, ["airplane", "bird"], 0.3, 7)[1].indices.tolist()
    assert one != split_classes(*everything, ["airplane", "bird"], 0.3, 8)[1].indices.tolist()


def test_a_split_without_images_of_a_class_is_refused(images):
    everything = Labelled(images, np.zeros(100, dtype=np.int64))
    with pytest.raises(
        DataError, match=r"^the training images have none of class bird; .*other classes \(data\.classes\)"
    ):
        split_classes(everything, everything, ["airplane", "bird"], 0.1, 0)


def extract(archive, target):
    # The safer filter="data" is not known to Python 3.11.0 to 3.11.3.
    shutil.unpack_archive(archive, target)


def test_an_extracted_archive_has_the_images_and_labels_that_were_written(tmp_path):
    write_archive(tmp_path / "small.tar.gz", per_class_train=10, per_class_test=4)
    extract(tmp_path / "small.tar.gz", tmp_path)
    batches = make_batches(per_class_train=10, per_class_test=4)
    (images, labels), (test_images, test_labels) = read_folder(tmp_path)
    expected = np.concatenate([batches[f"data_batch_{k}"]["data"] for k in range(1, 6)])
    assert np.array_equal(images.reshape(-1, 3072), expected)
    assert labels.tolist() == [label for k in range(1, 6) for label in batches[f"data_batch_{k}"]["labels"]]
    assert np.array_equal(test_images.reshape(-1, 3072), batches["test_batch"]["data"])
    assert test_labels.tolist() == batches["test_batch"]["labels"]


def test_an_extracted_archive_without_images_is_refused(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, content in make_batches().items():
        if name != "batches.meta":
            content = {"data": np.zeros((0, 3072), dtype=np.uint8), "labels": []}
        (folder / name).write_bytes(pickle.dumps(content, protocol=4))
    with pytest.raises(DataError, match="data_batch_1: has no images"):
        load_cifar2(tmp_path)


def test_nothing_in_an_extracted_archive_is_executed(tmp_path):
    write_archive(tmp_path / "small.tar.gz")
    extract(tmp_path / "small.tar.gz", tmp_path)
    canary = tmp_path / "canary"
    hostile = b"cos\nmkdir\n(V" + str(canary).encode() + b"\ntR."
    (tmp_path / "cifar-10-batches-py/data_batch_2").write_bytes(hostile)
    with pytest.raises(DataError, match="data_batch_2: not a pickle of NumPy arrays"):
        load_cifar2(tmp_path)
    assert not canary.exists()


def test_load_cifar2_normalises_by_the_training_images(tmp_path):
    write_archive(tmp_path / "small.tar.gz", per_class_train=50, per_class_test=10)
    extract(tmp_path / "small.tar.gz", tmp_path)
    training, validation, test = load_cifar2(tmp_path, validation_fraction=0.2)
    assert [len(training), len(validation), len(test)] == [80, 20, 20]
    inputs = training.tensors[0]
    assert inputs.dtype == torch.float64
    assert inputs.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert inputs.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1.0] * 3)
    assert abs(validation.tensors[0].mean()) > 1e-6
