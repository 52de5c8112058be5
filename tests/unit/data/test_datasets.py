import pickle

import numpy as np
import pytest
import torch
from helpers.small_archives import make_batches, write_archive
from torch.utils.data import DataLoader, TensorDataset

from handgrad.data.archives import extract_archive
from handgrad.data.datasets import (
    Batches,
    channel_statistics,
    describe,
    image_counts,
    load_cifar2,
    normalise,
    read_images,
    split_classes,
)
from handgrad.errors import DataError


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (100, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture
def everything(images):
    """100 images of ten classes, ten each, and 20 test images."""
    labels = torch.arange(10).repeat(10)
    return (images, labels), (images[:20], labels[:20])


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
    assert torch.equal(training.images, everything[0][0][training.indices])


def test_another_seed_gives_another_split(everything):
    one = split_classes(*everything, ["airplane", "bird"], 0.3, 7)[1].indices.tolist()
    assert one == split_classes(*everything, ["airplane", "bird"], 0.3, 7)[1].indices.tolist()
    assert one != split_classes(*everything, ["airplane", "bird"], 0.3, 8)[1].indices.tolist()


def test_a_split_without_images_of_a_class_is_refused(images):
    labels = torch.zeros(100, dtype=torch.int64)
    with pytest.raises(
        DataError, match=r"^the training images have none of class bird; .* \(data\.classes\)$"
    ):
        split_classes((images, labels), (images, labels), ["airplane", "bird"], 0.1, 0)


def test_channel_statistics_are_numpys(images):
    mean, std = channel_statistics(images)
    scaled = images.numpy().astype(np.float64) / 255
    assert mean.numpy() == pytest.approx(scaled.mean(axis=(0, 2, 3)), rel=1e-12)
    assert std.numpy() == pytest.approx(scaled.std(axis=(0, 2, 3)), rel=1e-12)


def test_a_constant_channel_is_only_shifted():
    mean, std = channel_statistics(torch.full((2, 3, 32, 32), 51, dtype=torch.uint8))
    assert mean.tolist() == pytest.approx([0.2] * 3)
    assert std.tolist() == [1.0] * 3


def test_normalise():
    image = torch.tensor([0, 51, 255], dtype=torch.uint8).view(1, 3, 1, 1)
    mean = torch.tensor([0.5, 0.2, 0.5], dtype=torch.float64)
    std = torch.tensor([0.25, 0.1, 0.5], dtype=torch.float64)
    assert normalise(image, mean, std).flatten().tolist() == pytest.approx([-2.0, 0.0, 1.0], abs=1e-15)
    assert normalise(image, mean, std, torch.float32).dtype == torch.float32


def test_describe_counts_duplicates_ranges_and_images_without_contrast(images):
    images = images.clone()
    images[1] = images[0]
    images[2] = images[0]
    images[3] = 7
    summary = describe(images, torch.tensor([0] * 60 + [1] * 40), ["airplane", "bird"])
    assert summary["images"] == 100
    assert summary["class_counts"] == {"airplane": 60, "bird": 40}
    assert (summary["minimum"], summary["maximum"]) == (0, 255)
    assert summary["duplicates"] == 2
    assert (summary["missing"], summary["blank"]) == (0, 1)
    assert summary["black"] == pytest.approx((images == 0).sum().item() / images.numel(), abs=0)
    assert summary["white"] == pytest.approx((images == 255).sum().item() / images.numel(), abs=0)


def test_image_counts_tell_equal_images(images):
    assert (
        image_counts(images[:3]).keys() & image_counts(images[2:5]).keys() == image_counts(images[2:3]).keys()
    )


def test_batches_are_those_of_a_dataloader_without_shuffling():
    inputs, labels = torch.randn(10, 4), torch.arange(10)
    batches = Batches(inputs, labels, 4)
    expected = list(DataLoader(TensorDataset(inputs, labels), batch_size=4))
    for _ in range(2):
        found = list(batches)
        assert len(found) == len(batches) == 3
        for (x, y), (expected_x, expected_y) in zip(found, expected, strict=True):
            assert torch.equal(x, expected_x)
            assert torch.equal(y, expected_y)
    assert found[0][0].data_ptr() == inputs.data_ptr()


@pytest.mark.parametrize(
    ("labels", "batch_size", "message"), [(9, 4, "10 inputs and 9 labels"), (10, 0, "batch_size is 0")]
)
def test_batches_that_cannot_be_are_refused(labels, batch_size, message):
    with pytest.raises(ValueError, match=message):
        Batches(torch.zeros(10, 4), torch.zeros(labels), batch_size)


def test_torchvision_reads_the_archive_as_it_was_written(tmp_path):
    write_archive(tmp_path / "small.tar.gz", per_class_train=10, per_class_test=4)
    extract_archive(tmp_path / "small.tar.gz", tmp_path)
    batches = make_batches(per_class_train=10, per_class_test=4)
    images, labels = read_images(tmp_path, train=True)
    expected = np.concatenate([batches[f"data_batch_{k}"]["data"] for k in range(1, 6)])
    assert np.array_equal(images.flatten(1).numpy(), expected)
    assert labels.tolist() == [label for k in range(1, 6) for label in batches[f"data_batch_{k}"]["labels"]]


def test_an_extracted_archive_without_images_is_refused(tmp_path):
    folder = tmp_path / "cifar-10-batches-py"
    folder.mkdir()
    for name, content in make_batches().items():
        if name != "batches.meta":
            content = {"data": np.zeros((0, 3072), dtype=np.uint8), "labels": []}
        (folder / name).write_bytes(pickle.dumps(content))
    with pytest.raises(DataError, match="the training images have none of class airplane"):
        load_cifar2(tmp_path)


def test_load_cifar2_normalises_by_the_training_images(tmp_path):
    write_archive(tmp_path / "small.tar.gz", per_class_train=50, per_class_test=10)
    extract_archive(tmp_path / "small.tar.gz", tmp_path)
    training, validation, test = load_cifar2(tmp_path, validation_fraction=0.2)
    assert [len(training), len(validation), len(test)] == [80, 20, 20]
    inputs = training.tensors[0]
    assert inputs.dtype == torch.float64
    assert inputs.mean(dim=(0, 2, 3)).tolist() == pytest.approx([0.0] * 3, abs=1e-12)
    assert inputs.std(dim=(0, 2, 3), correction=0).tolist() == pytest.approx([1.0] * 3)
    assert abs(validation.tensors[0].mean()) > 1e-6
