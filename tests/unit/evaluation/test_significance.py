import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from handgrad.evaluation.significance import (
    Variances,
    accuracy_interval,
    holm,
    paired_interval,
    paired_test,
    variances,
    wilson_interval,
)


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
    # Correct with 3, 2, 0, 1 of 3 seeds against 0, 1, 0, 2: two images favour ours, one favours theirs.
    ours = np.array([[1, 1, 0, 1], [1, 1, 0, 0], [1, 0, 0, 0]], dtype=bool)
    theirs = np.array([[0, 1, 0, 1], [0, 0, 0, 1], [0, 0, 0, 0]], dtype=bool)
    assert paired_test(ours, theirs)[:2] == (2, 1)


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


def test_variances_of_a_worked_example():
    # Accuracies of the seeds 3/4 and 1/4, variance 1/8; means of the images 1, 1/2, 1/2, 0, variance 1/6.
    values = np.array([[1, 1, 1, 0], [1, 0, 0, 0]], dtype=bool)
    of_seeds, of_images = variances(values)
    assert of_seeds == pytest.approx(1 / 8 / 2)
    assert of_images == pytest.approx(1 / 6 / 4)


def test_variances_are_those_of_a_two_way_analysis_of_variance():
    values = np.random.default_rng(0).random((5, 30)) < 0.7
    # Mean squares of the factors, from sums of squares of the effects.
    effects = values.mean(axis=1) - values.mean(), values.mean(axis=0) - values.mean()
    square_seeds, square_images = 30 * (effects[0] ** 2).sum() / 4, 5 * (effects[1] ** 2).sum() / 29
    assert variances(values) == pytest.approx((square_seeds / 150, square_images / 150))


def test_degrees_of_freedom_are_those_of_the_term_that_dominates():
    assert Variances(1.0, 0.0).degrees_of_freedom(5, 1000) == 4
    assert Variances(0.0, 1.0).degrees_of_freedom(5, 1000) == 999
    # Satterthwaite: (1 + 1)^2 / (1 / 4 + 1 / 20).
    assert Variances(1.0, 1.0).degrees_of_freedom(5, 21) == pytest.approx(4 / 0.3)


def test_the_interval_of_one_seed_is_wilsons():
    correct = np.arange(50) < 41
    assert accuracy_interval(correct[None]) == wilson_interval(41 / 50, 50)


def test_seeds_that_are_always_right_or_wrong_have_wilsons_interval():
    for constant in (True, False):
        correct = np.full((5, 40), constant)
        assert accuracy_interval(correct) == wilson_interval(float(constant), 40)


def test_the_interval_of_equal_seeds_is_wilsons_but_for_the_estimate_of_the_variance():
    correct = np.tile(np.arange(1000) < 800, (5, 1))
    assert accuracy_interval(correct) == pytest.approx(wilson_interval(0.8, 1000), abs=1e-4)


def samples(seed, between=0.0, seeds=5, images=300):
    """Outcomes of models whose chances vary by seed and by image around 80%."""
    random = np.random.default_rng(seed)
    chances = 0.8 + between * random.standard_normal((seeds, 1)) + 0.1 * random.choice([-1, 1], images)
    return random.random((seeds, images)) < chances


@pytest.mark.parametrize("between", [0.0, 0.02, 0.05])
def test_intervals_cover_the_mean_of_all_seeds_and_images(between):
    intervals = [accuracy_interval(samples(number, between)) for number in range(1000)]
    covered = sum(low <= 0.8 <= high for low, high in intervals)
    # Both terms contain the interaction, so the intervals are a little too wide.
    assert 935 <= covered <= 990


def test_wilsons_interval_would_not_cover_other_seeds():
    means = [samples(number, 0.05).mean() for number in range(1000)]
    assert sum(low <= 0.8 <= high for low, high in (wilson_interval(mean, 300) for mean in means)) < 930


@pytest.mark.parametrize("between", [0.0, 0.05])
def test_the_paired_test_over_seeds_seldom_rejects_what_is_true(between):
    p_values = [
        paired_test(samples(number, between), samples(10_000 + number, between))[2] for number in range(1000)
    ]
    assert sum(p < 0.05 for p in p_values) <= 65


def test_the_paired_test_over_seeds_agrees_with_the_interval():
    for number in range(200):
        before, after = samples(number, 0.02), samples(1000 + number, 0.02)
        low, high = paired_interval(before, after)
        assert (paired_test(after, before)[2] < 0.05) == (low > 0 or high < 0)


def test_a_difference_that_only_one_seed_shows_is_not_significant():
    before, after = np.zeros((5, 100), dtype=bool), np.zeros((5, 100), dtype=bool)
    after[0, :60] = True
    assert paired_test(after, before)[2] > 0.3
    after[:, :60] = True
    assert paired_test(after, before)[2] < 1e-6


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
