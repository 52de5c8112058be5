"""Plot the validation losses of the trainings that are running, in the terminal.

A training appends each epoch to its history, under a temporary name until it is complete. To refresh the plot
every five seconds: watch -n 5 handgrad curves
"""

import argparse
import csv
import math
import socket
import sys
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import plotext
import psutil

from handgrad.errors import HandgradError

COLUMNS = ("epoch", "validation_loss", "validation_accuracy")
# More curves are hard to tell apart in a terminal.
MOST = 8
WIDTH, HEIGHT = 100, 25


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="handgrad curves", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, nargs="?", default=Path("results/runs"))
    folder = parser.parse_args(arguments).folder
    if not folder.is_dir():
        raise HandgradError(f"{folder}: there is no such folder; expected one with the runs of an experiment")

    histories = {
        path.parent.relative_to(folder).as_posix(): rows
        for path in sorted(running(folder))
        if (rows := read_rows(path))
    }
    if not histories:
        print(f"{folder}: no training is running that has completed an epoch")
        return
    figure = plotext.figure
    figure.clear()
    figure.plot_size(WIDTH, HEIGHT)
    figure.title("Validation loss by epoch")
    for number, rows in enumerate(islice(histories.values(), MOST), start=1):
        epochs, losses, _ = zip(*rows, strict=True)
        figure.draw(figure.signal(epochs, losses, marker=str(number)).lines())
    print(figure.build().string(colorless=not sys.stdout.isatty()))
    for number, (run, rows) in enumerate(histories.items(), start=1):
        epoch, loss, accuracy = rows[-1]
        print(f"{number:>3}. {run}: epoch {epoch:.0f}, loss {loss:.4g}, accuracy {accuracy:.1%}")
    if len(histories) > MOST:
        print(f"The first {MOST} of {len(histories)} are plotted.")


def running(folder: Path) -> Iterator[Path]:
    """Yield the growing histories below `folder`; those of dead processes on this machine are left out."""
    for path in folder.rglob(".history.csv.*.partial"):
        host, _, pid = path.name.removeprefix(".history.csv.").removesuffix(".partial").rpartition(".")
        if host != socket.gethostname() or psutil.pid_exists(int(pid)):
            yield path


def read_rows(path: Path) -> list[tuple[float, float, float]]:
    """Read the complete lines of a history up to the first loss that is not finite."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    except FileNotFoundError:
        return []  # the training has just ended
    rows: list[tuple[float, float, float]] = []
    for row in csv.DictReader(line for line in lines if line.endswith("\n")):
        epoch, loss, accuracy = (float(row[column]) for column in COLUMNS)
        if not math.isfinite(loss):
            break
        rows.append((epoch, loss, accuracy))
    return rows
