import numpy as np
import pytest

from handgrad.data.synthetic import draw_batches, draw_images

TRAINING_MEMBERS = ["data_batch_1", "data_batch_2", "data_batch_3", "data_batch_4", "data_batch_5"]


@pytest.fixture(scope="module")
def batches():
    return draw_batches(seed=7, train_per_class=60, test_per_class=20)


@pytest.mark.parametrize("kind", ["airplane", "bird"])
def test_images_have_the_shape_and_type_of_cifar_images(kind):
    images = draw_images(3, kind, seed=1)
    assert images.shape == (3, 3, 32, 32)
    assert images.dtype == np.uint8


@pytest.mark.parametrize("kind", ["airplane", "bird"])
def test_the_seed_decides_the_images(kind):
    images = draw_images(4, kind, seed=1)
    assert np.array_equal(images, draw_images(4, kind, seed=1))
    for image, other in zip(images, draw_images(4, kind, seed=2), strict=True):
        assert not np.array_equal(image, other)


@pytest.mark.parametrize("kind", ["airplane", "bird"])
def test_images_are_varied_colourful_and_use_the_pixel_range(kind):
    images = draw_images(200, kind, seed=3)
    assert images.min() == 0
    assert images.max() == 255
    assert images.std(axis=0).min() > 20
    assert images.std(axis=(1, 2, 3)).min() > 2
    assert np.abs(images[:, 0].astype(int) - images[:, 2]).mean() > 10


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="kind must be one of airplane, bird, not 'frog'"):
        draw_images(1, "frog", seed=1)


def test_batches_have_the_official_layout(batches):
    assert sorted(batches) == ["batches.meta", *TRAINING_MEMBERS, "test_batch"]
    for name in [*TRAINING_MEMBERS, "test_batch"]:
        assert set(batches[name]) == {"batch_label", "labels", "data", "filenames"}
    assert batches["data_batch_2"]["batch_label"] == "training batch 2 of 5"
    assert batches["test_batch"]["batch_label"] == "testing batch 1 of 1"
    assert batches["batches.meta"] == {
        "num_cases_per_batch": 24,
        "label_names": [
            *("airplane", "automobile", "bird", "cat", "deer"),
            *("dog", "frog", "horse", "ship", "truck"),
        ],
        "num_vis": 3072,
    }


@pytest.mark.parametrize(
    ("member", "count"), [("data_batch_1", 24), ("data_batch_5", 24), ("test_batch", 40)]
)
def test_a_batch_holds_one_row_one_label_and_one_name_for_each_image(batches, member, count):
    batch = batches[member]
    assert batch["data"].shape == (count, 3072)
    assert batch["data"].dtype == np.uint8
    assert len(batch["labels"]) == len(batch["filenames"]) == count
    assert {type(label) for label in batch["labels"]} == {int}


def test_rows_are_channel_major_images_of_the_labelled_class(batches):
    batch = batches["test_batch"]
    for label, kind in ((0, "airplane"), (2, "bird")):
        rows = batch["data"][np.array(batch["labels"]) == label].reshape(-1, 3, 32, 32)
        drawn = draw_images(20, kind, seed=(7, 1, label))
        assert {row.tobytes() for row in rows} == {image.tobytes() for image in drawn}


def test_both_classes_are_balanced_and_shuffled(batches):
    training = [label for name in TRAINING_MEMBERS for label in batches[name]["labels"]]
    assert (training.count(0), training.count(2), len(training)) == (60, 60, 120)
    assert sorted(batches["test_batch"]["labels"]) == [0] * 20 + [2] * 20
    for name in [*TRAINING_MEMBERS, "test_batch"]:
        assert np.count_nonzero(np.diff(batches[name]["labels"])) > 1


def test_no_image_appears_twice_in_training_and_test(batches):
    rows = [row.tobytes() for name in [*TRAINING_MEMBERS, "test_batch"] for row in batches[name]["data"]]
    assert len(rows) == 160
    assert len(set(rows)) == 160


def test_batches_follow_the_seed(batches):
    again = draw_batches(seed=7, train_per_class=60, test_per_class=20)
    other = draw_batches(seed=8, train_per_class=60, test_per_class=20)
    for name in [*TRAINING_MEMBERS, "test_batch"]:
        assert np.array_equal(batches[name]["data"], again[name]["data"])
        assert batches[name]["labels"] == again[name]["labels"]
        assert batches[name]["filenames"] == again[name]["filenames"]
        assert not np.array_equal(batches[name]["data"], other[name]["data"])
