import csv
import os
import socket
import subprocess
import sys

import pytest

from handgrad.cli import main
from handgrad.errors import HandgradError
from handgrad.history import History
from handgrad.stages.curves import read_rows, running
from handgrad.stages.train import growing_history

HISTORY = History([0.7, 0.5], [0.8, 0.6], [0.5, 0.75], [0.5, 0.625])


def test_a_history_grows_with_each_epoch_under_a_temporary_name(tmp_path):
    path = tmp_path / "history.csv"
    with growing_history(path) as record:
        record(History([0.7], [0.8], [0.5], [0.5]))
        (partial,) = running(tmp_path)
        assert read_rows(partial) == [(1, 0.8, 0.5)]
        record(HISTORY)
        assert read_rows(partial) == [(1, 0.8, 0.5), (2, 0.6, 0.625)]
        assert not path.exists()
    assert list(tmp_path.iterdir()) == [path]
    assert list(csv.reader(path.open())) == [
        ["epoch", "training_loss", "validation_loss", "training_accuracy", "validation_accuracy"],
        ["1", "0.7", "0.8", "0.5", "0.5"],
        ["2", "0.5", "0.6", "0.75", "0.625"],
    ]


def test_a_resumed_history_starts_with_the_epochs_of_the_checkpoint(tmp_path):
    with growing_history(tmp_path / "history.csv") as record:
        record(HISTORY)
        record(HISTORY)
    assert [row[0] for row in csv.reader((tmp_path / "history.csv").open())] == ["epoch", "1", "2"]


def test_a_training_that_fails_leaves_no_history(tmp_path):
    with pytest.raises(ZeroDivisionError), growing_history(tmp_path / "history.csv") as record:
        record(HISTORY)
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def partial(folder, pid, rows="1,0.7,0.8,0.5,0.5\n"):
    folder.mkdir(parents=True)
    header = "epoch,training_loss,validation_loss,training_accuracy,validation_accuracy\n"
    (folder / f".history.csv.{socket.gethostname()}.{pid}.partial").write_text(header + rows)


def test_the_command_plots_what_is_running(tmp_path, capsys):
    partial(tmp_path / "lr~0.1/seed~1/train", os.getpid(), "1,0.7,0.8,0.5,0.5\n2,0.6,0.4,0.7,0.625\n")
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    partial(tmp_path / "lr~0.2/seed~1/train", ended.pid)
    main(["curves", str(tmp_path)])
    output = capsys.readouterr().out
    assert "Validation loss by epoch" in output
    assert "1. lr~0.1/seed~1/train: epoch 2, loss 0.4, accuracy 62.5%" in output
    assert "lr~0.2" not in output


def test_an_unfinished_line_and_what_follows_an_infinite_loss_are_left_out(tmp_path):
    partial(tmp_path / "one", os.getpid(), "1,0.7,0.8,0.5,0.5\n2,0.6,0.")
    partial(tmp_path / "two", os.getpid(), "1,0.7,0.8,0.5,0.5\n2,inf,inf,0.5,0.5\n3,0.7,0.8,0.5,0.5\n")
    assert [read_rows(path) for path in running(tmp_path)] == [[(1, 0.8, 0.5)], [(1, 0.8, 0.5)]]


def test_many_trainings_are_listed_and_the_first_plotted(tmp_path, capsys):
    for number in range(10):
        partial(tmp_path / f"lr~0.{number}", os.getpid())
    main(["curves", str(tmp_path)])
    output = capsys.readouterr().out
    assert " 10. lr~0.9: epoch 1" in output
    assert "The first 8 of 10 are plotted." in output


def test_nothing_is_running(tmp_path, capsys):
    main(["curves", str(tmp_path)])
    assert "no training is running that has completed an epoch" in capsys.readouterr().out
    with pytest.raises((SystemExit, HandgradError), match="there is no such folder"):
        main(["curves", str(tmp_path / "absent")])
