import numpy as np
import pytest

from handgrad.evaluation.agreement import agreement, largest_difference

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
