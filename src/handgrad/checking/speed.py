"""Time a backpropagation against loss.backward() and handgrad's implementation, in alternation."""

import time
from collections.abc import Callable
from statistics import median
from typing import Any

import torch

from handgrad.backprop import backpropagation
from handgrad.checking.calling import accepts, call, default_dtype
from handgrad.checking.results import NOTE, Finding
from handgrad.networks import MyNet

# Widths and batch size: an image classifier, and a small network. Implementations that are slow on the small
# one, usually because of Python loops, are timed on that alone.
Size = tuple[tuple[int, ...], int]
LARGE: Size = ((3072, 128, 32, 2), 128)
SMALL: Size = ((8, 8, 2), 8)
SLOW = 5.0  # times as long as loss.backward() on the small network
TURNS = 7


def backpropagation_speed(function: Callable[..., Any]) -> Finding:
    """A note with the median times, in milliseconds, and their ratios to the time of loss.backward()."""
    medians, size = _medians(function, *SMALL), SMALL
    if medians["yours"] < SLOW * medians["loss.backward()"]:
        medians, size = _medians(function, *LARGE), LARGE
    ratio = medians["yours"] / medians["loss.backward()"]
    texts = ", ".join(f"{name} {value:.3g} ms" for name, value in medians.items())
    widths, batch_size = size
    network = "-".join(map(str, widths))
    return Finding(
        "backpropagation",
        "speed",
        NOTE,
        f"{ratio:.2g} times as long as loss.backward()",
        details=(f"{texts} (network {network}, batch of {batch_size}, float32, median of {TURNS - 1})",),
        data={"milliseconds": medians},
    )


def _medians(function: Callable[..., Any], widths: tuple[int, ...], batch_size: int) -> dict[str, float]:
    """The median time of one call, in milliseconds, for each contender."""
    with default_dtype(torch.float32):
        torch.manual_seed(0)
        model = MyNet(list(widths), "tanh")
        inputs, y_true = torch.randn(batch_size, widths[0]), torch.randn(batch_size, widths[-1])
        options = {"loss": "squared_error"} if accepts(function, "loss") else {}
        contenders: dict[str, Callable[[Any], Any]] = {
            "yours": lambda y_pred: call(
                function, None, model=model, y_true=y_true, y_pred=y_pred, **options
            ),
            "loss.backward()": lambda y_pred: ((y_pred - y_true) ** 2).sum().backward(),
            "handgrad": lambda y_pred: backpropagation(model, y_true, y_pred),
        }
        times: dict[str, list[float]] = {name: [] for name in contenders}
        for _ in range(TURNS):
            for name, run in contenders.items():
                model.zero_grad()
                y_pred = model(inputs)
                start = time.perf_counter()
                run(y_pred)
                times[name].append(1000 * (time.perf_counter() - start))
    return {name: median(values[1:]) for name, values in times.items()}
