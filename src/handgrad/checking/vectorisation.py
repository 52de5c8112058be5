"""Find Python loops over samples or units: lines that run more often for larger batches or wider layers."""

import linecache
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.utils.data import DataLoader

from handgrad.checking.battery import Case, batches, network, samples
from handgrad.checking.calling import Crash, accepts, call, default_dtype, is_library
from handgrad.checking.results import NOTE, PASSED, Finding
from handgrad.networks import MyMLP

SMALL, LARGE = 4, 16
MOST_LINES = 3

Line = tuple[str, int]


def backpropagation_loops(function: Callable[..., Any], loss: str = "squared_error") -> Finding:
    """Check that the lines of a backpropagation run equally often for any batch size and any widths."""

    def counts(batch_size: int, width: int, dtype: torch.dtype) -> Counter[Line]:
        case = Case((width, width, width), ("tanh", "tanh"), batch_size, 0)
        model, (batch, _) = network(case, dtype=dtype), batches(case, loss, dtype)
        model.dL_dw = {layer: torch.zeros_like(model.fc[str(layer)].weight) for layer in (1, 2)}
        model.dL_db = {layer: torch.zeros_like(model.fc[str(layer)].bias) for layer in (1, 2)}
        options = {"loss": loss} if accepts(function, "loss") else {}
        y_pred = model(batch.inputs)
        return _lines_run(
            lambda: call(function, None, model=model, y_true=batch.targets, y_pred=y_pred, **options)
        )

    return _finding("backpropagation", counts)


def training_loops(function: Callable[..., Any], part: str, skipped: dict[str, str] | None = None) -> Finding:
    """The same check for a training function, in which the loop over batches is expected."""

    def counts(batch_size: int, width: int, dtype: torch.dtype) -> Counter[Line]:
        torch.manual_seed(0)
        model = MyMLP(hidden=(width,), activation="tanh")
        loaders = [
            DataLoader(samples(seed, dtype, count * batch_size), batch_size=batch_size)
            for seed, count in enumerate((2, 1))
        ]
        return _lines_run(
            lambda: call(
                function,
                skipped,
                n_epochs=1,
                lr=0.01,
                optimizer=torch.optim.SGD(model.parameters(), lr=0.01),
                model=model,
                loss_fn=nn.CrossEntropyLoss(),
                train_loader=loaders[0],
                val_loader=loaders[1],
                weight_decay=0.1,
                momentum=0.9,
                device=torch.device("cpu"),
            )
        )

    return _finding(part, counts)


def _finding(part: str, counts: Callable[[int, int, torch.dtype], Counter[Line]]) -> Finding:
    def run(dtype: torch.dtype) -> list[Counter[Line]]:
        with default_dtype(dtype):
            return [counts(*size, dtype) for size in ((SMALL, SMALL), (LARGE, SMALL), (SMALL, LARGE))]

    try:
        small, more_samples, more_units = run(torch.float64)
    except Crash:  # code that runs in float32 only
        small, more_samples, more_units = run(torch.float32)
    samples_lines, units_lines = _grown(small, more_samples), _grown(small, more_units)
    if not samples_lines and not units_lines:
        return Finding(part, "vectorisation", PASSED, "no Python loops over samples or units")
    over = " and ".join(text for text, lines in (("samples", samples_lines), ("units", units_lines)) if lines)
    shown = [
        f"{Path(name).name}, line {line}: {_text(name, line)}"
        for name, line in (samples_lines or units_lines)
    ]
    return Finding(
        part,
        "vectorisation",
        NOTE,
        f"a Python loop over {over}; matrix products do the same much faster",
        details=tuple(shown[:MOST_LINES]),
    )


def _grown(small: Counter[Line], large: Counter[Line]) -> list[Line]:
    """The lines whose run count grew by at least half the number of added samples or units, in file order."""
    return sorted(line for line, count in large.items() if count - small[line] >= (LARGE - SMALL) / 2)


def _text(name: str, line: int) -> str:
    return linecache.getline(name, line).strip()


def _lines_run(action: Callable[[], Any]) -> Counter[Line]:
    """How many times each line runs, excluding library code."""
    counts: Counter[Line] = Counter()

    def local(frame: FrameType, event: str, _: Any) -> Any:
        if event == "line":
            counts[frame.f_code.co_filename, frame.f_lineno] += 1
        return local

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        return None if is_library(frame.f_code.co_filename) else local

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        action()
    finally:
        sys.settrace(before)
    return counts
