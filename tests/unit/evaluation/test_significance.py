import numpy as np
import pytest
from scipy.stats import binomtest

from handgrad.evaluation.significance import paired_test, wilson_interval


@pytest.mark.parametrize(
    ("correct", "images", "interval"),
    # Published examples of the score interval: 81 of 263 and 15 of 148 from Newcombe (1998), table I.
    [
        (8, 10, (0.4902, 0.9433)),
        (81, 263, (0.2553, 0.3662)),
        (15, 148, (0.0624, 0.1605)),
        (0, 20, (0.0, 0.1611)),
        (1, 29, (0.0061, 0.1718)),
    ],
)
def test_wilson_interval_of_published_examples(correct, images, interval):
    assert wilson_interval(correct / images, images) == pytest.approx(interval, abs=5e-5)


@pytest.mark.parametrize(("correct", "images"), [(0, 1), (1, 1), (0, 963), (963, 963), (823, 963), (1, 3)])
def test_wilson_interval_is_scipys(correct, images):
    expected = binomtest(correct, images).proportion_ci(method="wilson")
    assert wilson_interval(correct / images, images) == pytest.approx(
        (expected.low, expected.high), abs=1e-12
    )


@pytest.mark.parametrize("accuracy", [0.0, 0.1, 1 / 3, 0.857, 1.0])
def test_wilson_interval_contains_the_accuracy_and_stays_within_0_and_1(accuracy):
    low, high = wilson_interval(accuracy, 17)
    assert 0 <= low <= accuracy <= high <= 1


@pytest.mark.parametrize(("accuracy", "images"), [(0.5, 0), (-0.1, 10), (1.1, 10), (float("nan"), 10)])
def test_wilson_interval_refuses_what_is_no_accuracy(accuracy, images):
    with pytest.raises(ValueError, match="expected 0 to 1 on at least one image"):
        wilson_interval(accuracy, images)


def outcomes(only_ours, only_theirs, both=5):
    ours = [True] * only_ours + [False] * only_theirs + [True] * both
    theirs = [False] * only_ours + [True] * only_theirs + [True] * both
    return np.array(ours), np.array(theirs)


@pytest.mark.parametrize(
    ("only_ours", "only_theirs", "p_value"),
    # Two-sided binomial by hand: 2 * (1 + 10) / 2**10, 2 * 1 / 2**5; an even split is certain.
    [(1, 9, 22 / 1024), (9, 1, 22 / 1024), (5, 0, 2 / 32), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_paired_test_is_mcnemars_exact_test(only_ours, only_theirs, p_value):
    result = paired_test(*outcomes(only_ours, only_theirs))
    assert result == (only_ours, only_theirs, pytest.approx(p_value, abs=1e-15))


def test_paired_test_counts_an_image_once_however_many_seeds_agree():
    # Right with 3, 2, 0, 1 seeds against 0, 1, 0, 2: two images for ours, one for theirs.
    ours, theirs = np.array([3, 2, 0, 1]), np.array([0, 1, 0, 2])
    assert paired_test(ours, theirs) == (2, 1, 1.0)
