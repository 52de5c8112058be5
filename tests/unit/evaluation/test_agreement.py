import numpy as np
import pytest

from handgrad.evaluation.agreement import agreement, digest, first_difference, largest_difference

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.5], 0.5),
        ([NAN, 1.0], [NAN, 1.0], 0.0),
        ([INF, -INF], [INF, -INF], 0.0),
        ([INF], [-INF], INF),
        ([NAN], [1.0], INF),
        ([INF], [1.0], INF),
        ([-0.0], [0.0], 0.0),
        ([], [], 0.0),
    ],
)
def test_largest_difference(one, other, expected):
    assert largest_difference(np.array(one), np.array(other)) == expected


@pytest.mark.parametrize(
    "other", [np.zeros(3), np.zeros(2, dtype=np.float32)], ids=["another shape", "another type"]
)
def test_arrays_that_cannot_be_compared_are_refused(other):
    with pytest.raises(ValueError, match="expected the same"):
        largest_difference(np.zeros(2), other)


def test_equal_trainings_are_bit_identical():
    losses, parameters = np.array([[0.7, NAN]]), {"weight": np.array([1.0, INF])}
    assert agreement(losses, losses.copy(), parameters, dict(parameters)) == (0.0, 0.0, True)


def test_one_bit_is_a_difference():
    losses = np.array([0.7])
    near = np.nextafter(1.0, 2.0)
    found = agreement(losses, losses, {"weight": np.array([1.0])}, {"weight": np.array([near])})
    assert found == (0.0, 2.0**-52, False)


def test_the_sign_of_zero_is_a_bit():
    losses = np.array([0.7])
    assert agreement(losses, losses, {"w": np.array([0.0])}, {"w": np.array([-0.0])}) == (0.0, 0.0, False)


def test_other_parameters_are_refused():
    with pytest.raises(ValueError, match="expected the same"):
        agreement(np.zeros(1), np.zeros(1), {"weight": np.zeros(1)}, {"bias": np.zeros(1)})


def test_the_first_difference_is_an_epoch():
    losses = np.array([[0.7, NAN], [0.6, 0.5], [0.5, 0.4]])
    other = losses.copy()
    assert first_difference(losses, other) is None
    other[1, 1] = np.nextafter(0.5, 1.0)
    assert first_difference(losses, other) == 2


def test_digests_are_equal_where_all_bits_are():
    given = {"weight": np.array([1.0, NAN]), "bias": np.array([0.0])}
    payload = np.array([0x7FF8000000000001], dtype=np.uint64).view(np.float64)[0]
    same = {"bias": np.array([0.0]), "weight": np.array([1.0, payload])}
    assert digest(same) == digest(given)
    for other in (
        given | {"weight": np.array([np.nextafter(1.0, 2.0), NAN])},
        given | {"bias": np.array([-0.0])},
        given | {"bias": np.array([0.0], dtype=np.float32)},
        given | {"weight": np.array([[1.0, NAN]])},
        {"weight": given["weight"], "bias2": given["bias"]},
    ):
        assert digest(other) != digest(given)
