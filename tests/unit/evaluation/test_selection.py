import itertools

import numpy as np
import pytest

from handgrad.errors import HandgradError
from handgrad.evaluation.selection import Run, decided_by, rank
from handgrad.hyperparameters import Combination

A, B, C = Combination(0.01, 0.0, 0.0), Combination(0.01, 0.0, 0.9), Combination(0.1, 0.0, 0.0)


def run(combination, correct, loss=0.5, *, images=10, seed=256, diverged=False):
    return Run(
        combination=combination,
        seed=seed,
        folder=f"{combination} {seed}",
        diverged=diverged,
        training_loss=None if diverged else 0.4,
        training_accuracy=0.9,
        validation_loss=None if diverged else loss,
        correct=np.arange(images) < correct,
        predicted_classes=2,
    )


def order(runs):
    return [candidate.combination for candidate in rank(runs)]


def test_higher_accuracy_comes_first_whatever_the_loss():
    assert order([run(A, 7, loss=0.1), run(B, 9, loss=3.0), run(C, 8, loss=0.2)]) == [B, C, A]


def test_equal_accuracies_are_ordered_by_lower_loss():
    assert order([run(A, 8, loss=0.6), run(B, 8, loss=0.4), run(C, 8, loss=0.5)]) == [B, C, A]


@pytest.mark.parametrize("combinations", list(itertools.permutations([A, B, C])))
def test_equal_accuracies_and_losses_stay_in_the_order_of_the_config(combinations):
    assert order([run(combination, 8) for combination in combinations]) == list(combinations)


def test_the_mean_over_seeds_counts_not_the_best_seed():
    runs = [run(A, 10, seed=1), run(A, 4, seed=2), run(B, 8, seed=1), run(B, 7, seed=2)]
    assert order(runs) == [B, A]
    assert rank(runs)[0].validation_accuracy == 0.75


def test_means_that_differ_in_rounding_only_are_equal():
    # In floats, the mean of 0, 0.1 and 0.2 exceeds that of 0, 0 and 0.3; both have three of 30 correct.
    runs = [run(A, correct, 0.5, seed=seed) for seed, correct in enumerate([0, 1, 2])]
    runs += [run(B, correct, 0.4, seed=seed) for seed, correct in enumerate([0, 0, 3])]
    assert order(runs) == [B, A]
    assert decided_by(rank(runs)) == "validation_loss"


def test_the_mean_loss_does_not_depend_on_the_order_of_the_seeds():
    losses = [0.1, 0.2, 0.3]
    means = {
        rank([run(A, 5, loss, seed=seed) for seed, loss in enumerate(permuted)])[0].validation_loss
        for permuted in itertools.permutations(losses)
    }
    assert len(means) == 1
    assert means.pop() == pytest.approx(0.2)


def test_one_diverged_seed_puts_a_combination_last():
    runs = [run(A, 10, seed=1), run(A, 10, seed=2, diverged=True), run(B, 5, seed=1), run(B, 5, seed=2)]
    assert order(runs) == [B, A]
    assert rank(runs)[1].diverged


def test_diverged_combinations_stay_in_the_order_of_the_config():
    runs = [run(B, 5, diverged=True), run(A, 9, diverged=True), run(C, 1)]
    assert order(runs) == [C, B, A]


def test_nothing_is_selected_where_all_diverged():
    with pytest.raises(HandgradError, match=r"all 2 combinations diverged.*lower lr"):
        rank([run(A, 5, diverged=True), run(B, 5, diverged=True)])


@pytest.mark.parametrize(
    ("runs", "reason"),
    [
        ([run(A, 9), run(B, 8)], "validation_accuracy"),
        ([run(A, 8, 0.6), run(B, 8, 0.5)], "validation_loss"),
        ([run(A, 8, 0.5), run(B, 8, 0.5)], "config_order"),
        ([run(A, 8)], "only_candidate"),
        ([run(A, 8), run(B, 9, diverged=True)], "only_candidate"),
    ],
)
def test_decided_by(runs, reason):
    assert decided_by(rank(runs)) == reason


@pytest.mark.parametrize(
    ("figures", "best_seed"),
    [
        ([(1, 7, 0.5), (2, 9, 0.6), (3, 8, 0.1)], 2),
        ([(1, 9, 0.5), (2, 9, 0.3), (3, 8, 0.1)], 2),
        ([(1, 9, 0.5), (2, 9, 0.5), (3, 9, 0.5)], 1),
    ],
)
def test_best_run_is_that_of_highest_accuracy_then_lowest_loss_then_first(figures, best_seed):
    runs = [run(A, correct, loss, seed=seed) for seed, correct, loss in figures]
    assert rank(runs)[0].best_run.seed == best_seed


def test_means_and_deviation_over_seeds():
    candidate = rank([run(A, 6, 0.2, seed=1), run(A, 8, 0.4, seed=2), run(A, 10, 0.9, seed=3)])[0]
    assert candidate.validation_accuracy == 0.8
    assert candidate.validation_accuracy_std == pytest.approx(0.2)
    assert candidate.validation_loss == pytest.approx(0.5)


def test_a_single_seed_has_no_deviation():
    assert rank([run(A, 6)])[0].validation_accuracy_std is None


def test_outcomes_has_a_row_for_each_seed():
    candidate = rank([run(A, 1, images=3, seed=1), run(A, 2, images=3, seed=2)])[0]
    assert candidate.outcomes.tolist() == [[True, False, False], [True, True, False]]
