from helpers.made_up_facts import facts, histories, selection

from handgrad.hyperparameters import Combination
from handgrad.reporting.curves import CURVES, POINTS, curves

NAMES = ("lr", "weight_decay", "momentum")


def row(rank=1, diverged=False, **settings):
    return {"rank": rank, "lr": 0.1, "weight_decay": 0.0, "momentum": 0.9, "diverged": diverged} | settings


def history(losses):
    return {
        "validation_loss": losses,
        "training_loss": losses,
        "validation_accuracy": [0.5] * len(losses),
        "training_accuracy": [0.5] * len(losses),
    }


def test_the_curves_are_means_over_the_seeds_to_four_digits():
    one = row(epochs=2)
    given = {Combination.of(one): [history([0.5, 0.25]), history([0.1, 1 / 3])]}
    assert curves([one], given, NAMES) == {
        "epochs": [1, 2],
        "left_out": 0,
        "abbreviations": "lr: learning rate, wd: weight decay, m: momentum",
        "seeds": 2,
        "runs": [
            {
                "label": "1. lr 0.1, wd 0, m 0.9 (selected)",
                "diverged": False,
                "validation_loss": [0.3, 0.2917],
                "training_loss": [0.3, 0.2917],
                "validation_accuracy": [0.5, 0.5],
                "training_accuracy": [0.5, 0.5],
            }
        ],
    }


def test_a_run_has_no_values_where_it_diverged_or_has_ended():
    long, short = row(epochs=4), row(rank=2, epochs=2, diverged=True)
    given = {
        Combination.of(long): [history([0.4, 0.3, 0.2, 0.1])],
        Combination.of(short): [history([0.5, None])],
    }
    found = curves([long, short], given, NAMES)
    assert found["runs"][1]["label"].endswith("(diverged)")
    assert found["runs"][1]["validation_loss"] == [0.5, None, None, None]


def test_many_epochs_are_thinned_out_but_for_the_last():
    one = row(epochs=1001)
    found = curves([one], {Combination.of(one): [history([0.5] * 1001)]}, NAMES)
    assert len(found["epochs"]) <= POINTS
    assert found["epochs"][-1] == 1001
    assert len(found["runs"][0]["training_loss"]) == len(found["epochs"])


def test_of_many_combinations_the_best_are_shown():
    rows = [(0.01 * n, 0.0, 0.9, 0.9 - 0.001 * n, 0.4, 0.9, 0.3) for n in range(1, 71)]
    chosen = selection(rows)
    found = facts(selection=chosen, histories=histories(chosen))["curves"]
    assert len(found["runs"]) == CURVES
    assert found["left_out"] == 10
    assert found["runs"][0]["label"] == "1. lr 0.01, wd 0, m 0.9 (selected)"
