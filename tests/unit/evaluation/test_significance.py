import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from handgrad.evaluation.significance import holm, paired_interval, paired_test, wilson_interval


@pytest.mark.parametrize(
    ("correct", "images", "interval"),
    # Published examples of the score interval: 81 of 263 and 15 of 148, from Newcombe (1998), table I.
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
    # Two-sided binomial by hand: 2 * (1 + 10) / 2**10, 2 * 1 / 2**5; an even split has p = 1.
    [(1, 9, 22 / 1024), (9, 1, 22 / 1024), (5, 0, 2 / 32), (3, 3, 1.0), (0, 0, 1.0)],
)
def test_paired_test_is_mcnemars_exact_test(only_ours, only_theirs, p_value):
    result = paired_test(*outcomes(only_ours, only_theirs))
    assert result == (only_ours, only_theirs, pytest.approx(p_value, abs=1e-15))


def test_paired_test_counts_an_image_once_however_many_seeds_agree():
    # Correct with 3, 2, 0, 1 seeds against 0, 1, 0, 2: two images favour ours, one favours theirs.
    ours, theirs = np.array([3, 2, 0, 1]), np.array([0, 1, 0, 2])
    assert paired_test(ours, theirs) == (2, 1, 1.0)


def test_paired_interval_of_a_worked_example():
    # 100 images, 10 correct before only, 20 after only. With one more of each, of 102: mean 10 / 102 and
    # variance (11 + 21) / 102 - (10 / 102)**2; half-width 1.959964 * sqrt(variance / 102).
    before, after = np.zeros(100), np.zeros(100)
    before[:10] = after[10:30] = after[30:80] = before[30:80] = 1
    mean, variance = 10 / 102, 32 / 102 - (10 / 102) ** 2
    half = 1.959964 * (variance / 102) ** 0.5
    assert paired_interval(before, after) == pytest.approx((mean - half, mean + half), abs=1e-6)
    assert paired_interval(after, before) == pytest.approx((-mean - half, -mean + half), abs=1e-6)


def test_equal_classifiers_have_an_interval_around_zero_that_is_not_empty():
    correct = np.ones(50, dtype=bool)
    low, high = paired_interval(correct, correct)
    assert low == pytest.approx(-high)
    assert 0 < high < 0.06


def test_paired_interval_of_counts_over_seeds_is_that_of_their_means():
    before, after = np.array([0, 2, 3, 3]), np.array([3, 3, 3, 0])
    low, high = paired_interval(before, after, seeds=3)
    # Differences 1, 1/3, 0, -1, and the two added ones, 1 and -1: mean 1/18.
    assert (low + high) / 2 == pytest.approx(1 / 18)


def test_paired_interval_covers_the_true_difference_in_95_of_100_samples():
    random = np.random.default_rng(0)
    covered = 0
    for _ in range(2000):
        cell = random.choice(4, size=200, p=[0.7, 0.1, 0.05, 0.15])
        low, high = paired_interval(np.isin(cell, [0, 1]), np.isin(cell, [0, 2]))
        covered += low <= 0.05 - 0.1 <= high
    assert 0.935 <= covered / 2000 <= 0.965


def test_holm_of_a_worked_example():
    # Four tests: 0.01 * 4, 0.02 * 3, 0.03 * 2, 0.2 * 1, made non-decreasing.
    assert holm([0.03, 0.01, 0.2, 0.02]) == pytest.approx([0.06, 0.04, 0.2, 0.06])
    assert holm([0.7]) == [0.7]
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=20), st.floats(0.001, 0.5))
def test_holm_rejects_what_his_step_down_procedure_rejects(p_values, alpha):
    rejected = []
    for step, p_value in enumerate(sorted(p_values)):
        if (len(p_values) - step) * p_value > alpha:
            break
        rejected.append(p_value)
    adjusted = zip(p_values, holm(p_values), strict=True)
    assert sorted(p_value for p_value, one in adjusted if one <= alpha) == rejected
