import math

import matplotlib.pyplot as plt
import pytest

from handgrad.history import History

HISTORY = History([0.7, 0.6], [0.8, 0.75], [0.5, 0.55], [0.5, 0.625])


@pytest.mark.parametrize(
    ("training", "validation", "epoch"),
    [
        ([0.7, 0.6], [0.7, 0.6], None),
        ([0.7, math.nan], [0.7, 0.6], 2),
        ([math.inf, 1.0], [0.7, 0.6], 1),
        ([0.7, 0.6], [0.7, math.inf], 2),
        ([0.7, 0.6], [0.7, math.nan], 2),
        ([0.7, 0.6], [], None),
    ],
)
def test_diverged_epoch(training, validation, epoch):
    history = History(training, validation, [0.5] * len(training), [0.5] * len(validation))
    assert history.diverged_epoch == epoch


def test_the_repr_is_one_short_line():
    assert repr(HISTORY) == (
        "History(2 epochs; training loss 0.6, accuracy 0.5500; validation loss 0.75, accuracy 0.6250)"
    )
    assert repr(History()) == "History(0 epochs)"
    assert repr(History([0.7], [], [0.5], [])) == "History(1 epoch; training loss 0.7, accuracy 0.5000)"


def test_a_frame_has_a_row_for_each_epoch_counted_from_1():
    frame = HISTORY.to_frame()
    assert list(frame.index) == [1, 2]
    assert frame.index.name == "epoch"
    assert frame.loc[2].to_dict() == {
        "training_loss": 0.6,
        "validation_loss": 0.75,
        "training_accuracy": 0.55,
        "validation_accuracy": 0.625,
    }
    assert list(History([0.7], [], [0.5], []).to_frame().columns) == ["training_loss", "training_accuracy"]


def test_the_plot_shows_losses_and_accuracies_over_the_epochs():
    loss, accuracy = HISTORY.plot()
    assert [line.get_label() for line in loss.lines] == ["training", "validation"]
    assert list(loss.lines[1].get_xdata()) == [1, 2]
    assert list(loss.lines[1].get_ydata()) == [0.8, 0.75]
    assert list(accuracy.lines[0].get_ydata()) == [0.5, 0.55]
    assert (loss.get_ylabel(), accuracy.get_ylabel(), loss.get_xlabel()) == ("loss", "accuracy", "epoch")
    plt.close("all")


def test_the_best_epoch_has_the_highest_accuracy_then_the_lowest_loss_then_comes_first():
    assert History([1, 1, 1], [0.3, 0.5, 0.4], [0.5] * 3, [0.7, 0.8, 0.8]).best_epoch == 3
    assert History([1, 1, 1], [0.3, 0.4, 0.4], [0.5] * 3, [0.7, 0.8, 0.8]).best_epoch == 2


def test_epochs_with_a_loss_that_is_not_finite_are_never_the_best():
    inf = float("inf")
    assert History([1, 1, inf], [0.3, float("nan"), 0.1], [0.5] * 3, [0.7, 0.8, 0.9]).best_epoch == 1
    assert History([inf], [inf], [0.5], [0.5]).best_epoch is None


def test_without_validation_there_is_no_best_epoch():
    assert History([1.0], [], [0.5], []).best_epoch is None
    assert History().best_epoch is None
