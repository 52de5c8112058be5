"""Time submitted functions against PyTorch's and handgrad's, in alternation."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from handgrad.backprop import backpropagation
from handgrad.checking.battery import samples
from handgrad.checking.calling import accepts, call, default_dtype
from handgrad.checking.results import NOTE, Finding
from handgrad.networks import MyMLP, MyNet
from handgrad.training import train, train_manual_update

# Widths and batch size: an image classifier, and a small network. Implementations that are slow on the small
# one, usually because of Python loops, are timed on that alone.
Size = tuple[tuple[int, ...], int]
LARGE: Size = ((3072, 128, 32, 2), 128)
SMALL: Size = ((8, 8, 2), 8)
# The same for training functions, whose networks take images.
LARGE_TRAINING: Size = ((3072, 128, 32, 2), 64)
SMALL_TRAINING: Size = ((3072, 4, 2), 4)
BATCHES = 4
SLOW = 5.0  # times as long as PyTorch on the small network
TURNS = 7

Contenders = dict[str, Callable[[], Any]]


def backpropagation_speed(function: Callable[..., Any]) -> Finding:
    """A note with the median times, in milliseconds, and their ratio to the time of loss.backward()."""

    def contenders(widths: tuple[int, ...], batch_size: int) -> tuple[Contenders, Callable[[], None]]:
        model = MyNet(list(widths), "tanh")
        inputs, y_true = torch.randn(batch_size, widths[0]), torch.randn(batch_size, widths[-1])
        options = {"loss": "squared_error"} if accepts(function, "loss") else {}
        y_pred = torch.empty(0)

        def prepare() -> None:
            nonlocal y_pred
            model.zero_grad()
            y_pred = model(inputs)

        return {
            "yours": lambda: call(function, None, model=model, y_true=y_true, y_pred=y_pred, **options),
            "loss.backward()": lambda: ((y_pred - y_true) ** 2).sum().backward(),
            "handgrad": lambda: backpropagation(model, y_true, y_pred),
        }, prepare

    return _finding("backpropagation", "loss.backward()", contenders, SMALL, LARGE, "")


def training_speed(function: Callable[..., Any], part: str, skipped: dict[str, str]) -> Finding:
    """The same for one epoch of a training function, against a plain loop with torch.optim.SGD."""

    def contenders(widths: tuple[int, ...], batch_size: int) -> tuple[Contenders, Callable[[], None]]:
        model, loss_fn = MyMLP(hidden=widths[1:-1], n_classes=widths[-1]), nn.CrossEntropyLoss()
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
        loaders = [
            DataLoader(samples(seed, torch.float32, count * batch_size), batch_size=batch_size)
            for seed, count in enumerate((BATCHES, 1))
        ]
        common: dict[str, Any] = {"model": model, "loss_fn": loss_fn}
        common |= {"train_loader": loaders[0], "val_loader": loaders[1]}

        def plain() -> None:
            for inputs, labels in loaders[0]:
                optimizer.zero_grad()
                loss_fn(model(inputs), labels).backward()
                optimizer.step()
            with torch.no_grad():
                for inputs, labels in loaders[1]:
                    loss_fn(model(inputs), labels)

        ours: dict[str, Callable[[], Any]] = {
            "train": lambda: train(1, optimizer, **common, progress=False),
            "train_manual_update": lambda: train_manual_update(
                1, 0.01, **common, momentum=0.9, progress=False
            ),
        }
        sgd = {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.0, "optimizer": optimizer}
        return {
            "yours": lambda: call(function, skipped, n_epochs=1, device=torch.device("cpu"), **common, **sgd),
            "torch.optim.SGD": plain,
            "handgrad": ours[part],
        }, lambda: None

    ending = f" in epochs of {BATCHES} batches"
    return _finding(part, "torch.optim.SGD", contenders, SMALL_TRAINING, LARGE_TRAINING, ending)


def _finding(
    part: str,
    reference: str,
    contenders: Callable[[tuple[int, ...], int], tuple[Contenders, Callable[[], None]]],
    small: Size,
    large: Size,
    ending: str,
) -> Finding:
    with default_dtype(torch.float32):
        medians, size = _medians(*contenders(*small)), small
        if medians["yours"] < SLOW * medians[reference]:
            medians, size = _medians(*contenders(*large)), large
    texts = ", ".join(f"{name} {value:.3g} ms" for name, value in medians.items())
    widths, batch_size = size
    network = "-".join(map(str, widths))
    return Finding(
        part,
        "speed",
        NOTE,
        f"{medians['yours'] / medians[reference]:.2g} times as long as {reference}{ending}",
        details=(f"{texts} (network {network}, batch of {batch_size}, float32, median of {TURNS - 1})",),
        data={"milliseconds": medians},
    )


def _medians(contenders: Contenders, prepare: Callable[[], None]) -> dict[str, float]:
    """The median time of one call, in milliseconds, for each contender."""
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(TURNS):
        for name, run in contenders.items():
            prepare()
            start = time.perf_counter()
            run()
            times[name].append(1000 * (time.perf_counter() - start))
    return {name: median(values[1:]) for name, values in times.items()}
