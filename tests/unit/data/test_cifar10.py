import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from handgrad.data.cifar10 import Split, channel_statistics, describe, image_counts, read_split
from handgrad.errors import DataError


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (100, 3, 32, 32), dtype=np.uint8)


def make_split(images, labels=None, mean=(0.0, 0.0, 0.0), std=(1.0, 1.0, 1.0)):
    labels = np.zeros(len(images), dtype=np.int64) if labels is None else labels
    return Split(images, labels, np.arange(len(images)), np.array(mean), np.array(std))


def test_channel_statistics_are_numpys(images):
    mean, std = channel_statistics(images)
    scaled = images.astype(np.float64) / 255
    assert mean == pytest.approx(scaled.mean(axis=(0, 2, 3)), rel=1e-12)
    assert std == pytest.approx(scaled.std(axis=(0, 2, 3)), rel=1e-12)


def test_a_constant_channel_is_only_shifted():
    mean, std = channel_statistics(np.full((2, 3, 32, 32), 51, dtype=np.uint8))
    assert mean == pytest.approx([0.2] * 3)
    assert std.tolist() == [1.0] * 3


def test_normalised_pixels_are_scaled_shifted_and_divided():
    images = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    images[0, :, 0, 0] = 0, 51, 255
    split = make_split(images, mean=(0.5, 0.2, 0.5), std=(0.25, 0.1, 0.5))
    inputs = split.normalised(np.float64)
    assert inputs.shape == (1, 3072)
    assert inputs[0, [0, 1024, 2048]] == pytest.approx([-2.0, 0.0, 1.0], abs=1e-15)


# The exact values in hexadecimal: (v / 255 - mean) / std, with every step rounded to the dtype.
LITERALS = {
    "float64": ["-0x1.f1be8b5824f1cp+0", "-0x1.76cc2176cc217p-2", "0x1.0cd6af4cd6af5p+1"],
    "float32": ["-0x1.f1be8c0000000p+0", "-0x1.76cc1e0000000p-2", "0x1.0cd6b00000000p+1"],
}


@pytest.mark.parametrize("dtype", LITERALS)
def test_normalised_pixels_have_these_bits(dtype):
    images = np.zeros((1, 3, 32, 32), dtype=np.uint8)
    images[0, :, 0, 0] = 1, 100, 254
    split = make_split(images, mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))
    inputs = split.normalised(dtype)
    assert inputs.dtype == dtype
    assert [float(value).hex() for value in inputs[0, [0, 1024, 2048]]] == LITERALS[dtype]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
def test_normalised_pixels_have_the_bits_of_plain_pytorch(images, dtype):
    images.reshape(-1)[:256] = np.arange(256)  # every possible pixel value
    split = make_split(images, mean=(0.49, 0.48, 0.45), std=(0.25, 0.24, 0.26))
    torch_dtype = getattr(torch, dtype)
    mean, std = (
        torch.from_numpy(values).to(torch_dtype)[:, None, None] for values in (split.mean, split.std)
    )
    expected = ((torch.from_numpy(images).to(torch_dtype) / 255 - mean) / std).flatten(1)
    assert split.normalised(dtype).tobytes() == expected.numpy().tobytes()
    assert split.normalised(dtype, slice(10, 20)).tobytes() == expected[10:20].numpy().tobytes()


def test_describe_counts_duplicates_ranges_and_images_without_contrast(images):
    images[1] = images[0]
    images[2] = images[0]
    images[3] = 7
    summary = describe(make_split(images, np.array([0] * 60 + [1] * 40)), ["airplane", "bird"])
    assert summary["images"] == 100
    assert summary["class_counts"] == {"airplane": 60, "bird": 40}
    assert (summary["minimum"], summary["maximum"]) == (0, 255)
    assert summary["duplicates"] == 2
    assert (summary["missing"], summary["blank"]) == (0, 1)
    assert summary["black"] == np.count_nonzero(images == 0) / images.size
    assert summary["white"] == np.count_nonzero(images == 255) / images.size


def test_image_counts_tell_equal_images(images):
    assert (
        image_counts(images[:3]).keys() & image_counts(images[2:5]).keys() == image_counts(images[2:3]).keys()
    )


def test_a_split_is_read_as_it_was_written(images, tmp_path):
    split = make_split(images, np.arange(100) % 2, mean=(0.1, 0.2, 0.3))
    save_file(vars(split), tmp_path / "split.safetensors")
    found = read_split(tmp_path / "split.safetensors")
    assert all(np.array_equal(value, vars(split)[name]) for name, value in vars(found).items())


def test_a_file_that_is_no_split_is_refused_by_name(tmp_path):
    path = tmp_path / "split.safetensors"
    save_file({"images": np.zeros(3)}, path)
    with pytest.raises(
        DataError, match=r"split\.safetensors: not a prepared split \(.*delete it and run again"
    ):
        read_split(path)
