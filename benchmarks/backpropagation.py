"""Time of loss.backward() divided by that of backpropagation by hand, excluding the forward pass in both.

    python benchmarks/backpropagation.py [--dtype float32] [--threads 1] [--turns 9] [--output times.csv]

The network is MyMLP with relu, the loss cross entropy. The contenders take turns of a few passes, each after
its own forward pass and without gradients from the previous pass. Each ratio is the median over the turns.
The contenders are:

* autograd: loss.backward(), on a fresh graph, with gradients initially None (the default of zero_grad);
* loss: computing the loss from the outputs, and loss.backward(); like plain, it includes the softmax;
* buffers: Buffers.propagate, the preallocated variant that train_manual_backprop uses;
* plain: backpropagation(), including its validation of shapes and labels.
"""

import argparse
import csv
import gc
import platform
import sys
from collections.abc import Callable
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from handgrad.backprop import backpropagation
from handgrad.buffers import Buffers
from handgrad.networks import MyMLP

NETWORKS = ([2, 3, 2], [576, 128, 32, 10], [3072, 512, 128, 32, 2])
BATCH_SIZES = (1, 32, 256)
SECONDS_A_TURN = 0.05
COLUMNS = (
    "network",
    "batch",
    "threads",
    "autograd_us",
    "loss_us",
    "buffers_us",
    "plain_us",
    "buffers_ratio",
    "plain_ratio",
    "loss_plain_ratio",
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtype", choices=("float64", "float32"), default="float64")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=25, help="of each contender")
    parser.add_argument("--output", type=Path, help="a CSV file for the figures")
    arguments = parser.parse_args()

    print(
        f"{processor()}; Python {platform.python_version()}, torch {torch.__version__}, {arguments.dtype}; "
        "microseconds a pass, and time of autograd over time by hand\n"
    )
    print(
        "| network | batch | threads | autograd | loss | buffers | plain "
        "| autograd / buffers | autograd / plain | loss / plain |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    rows = []
    for threads, network, batch in product(arguments.threads, NETWORKS, BATCH_SIZES):
        torch.set_num_threads(threads)
        row = measured(network, batch, threads, getattr(torch, arguments.dtype), arguments.turns)
        rows.append(row)
        print(
            "| {network} | {batch} | {threads} | {autograd_us:.0f} | {loss_us:.0f} | {buffers_us:.0f} "
            "| {plain_us:.0f} | {buffers_ratio:.2f} | {plain_ratio:.2f} | {loss_plain_ratio:.2f} |".format(
                **row
            ),
            flush=True,
        )
    if arguments.output:
        with arguments.output.open("w", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS)
            writer.writeheader()
            writer.writerows(rows)


def measured(
    network: list[int], batch: int, threads: int, dtype: torch.dtype, n_turns: int
) -> dict[str, Any]:
    torch.manual_seed(256)
    model = MyMLP(network[0], network[1:-1], network[-1]).to(dtype)
    inputs, labels = torch.randn(batch, network[0], dtype=dtype), torch.randint(network[-1], (batch,))
    contenders = [passes(model, inputs, labels) for passes in (autograd, loss, buffers, plain)]
    slowest = max(contender() for contender in contenders for _ in range(3))
    passes_a_turn = max(3, min(50, int(SECONDS_A_TURN / slowest)))

    turns = []
    gc.collect()
    gc.disable()
    for _ in range(n_turns):
        turns.append([median(contender() for _ in range(passes_a_turn)) for contender in contenders])
    gc.enable()
    times = [1e6 * median(turn) for turn in zip(*turns, strict=True)]
    ratios = [
        median(backward / memory for backward, _, memory, _ in turns),
        median(backward / by_hand for backward, _, _, by_hand in turns),
        median(with_loss / by_hand for _, with_loss, _, by_hand in turns),
    ]
    values = ("-".join(map(str, network)), batch, threads, *times, *ratios)
    return dict(zip(COLUMNS, values, strict=True))


def autograd(model: MyMLP, inputs: Tensor, labels: Tensor) -> Callable[[], float]:
    def one_pass() -> float:
        model.zero_grad()
        model.dL_dw.clear()
        value = functional.cross_entropy(model(inputs), labels)
        start = perf_counter()
        value.backward()
        return perf_counter() - start

    return one_pass


def loss(model: MyMLP, inputs: Tensor, labels: Tensor) -> Callable[[], float]:
    def one_pass() -> float:
        model.zero_grad()
        model.dL_dw.clear()
        y_pred = model(inputs)
        start = perf_counter()
        functional.cross_entropy(y_pred, labels).backward()
        return perf_counter() - start

    return one_pass


def buffers(model: MyMLP, inputs: Tensor, labels: Tensor) -> Callable[[], float]:
    memory = Buffers(model, len(inputs))

    def one_pass() -> float:
        memory.forward(inputs)
        memory.evaluate(labels, "cross_entropy")
        start = perf_counter()
        memory.propagate(labels, "cross_entropy")
        return perf_counter() - start

    return one_pass


def plain(model: MyMLP, inputs: Tensor, labels: Tensor) -> Callable[[], float]:
    def one_pass() -> float:
        model.zero_grad()
        model.dL_dw.clear()
        with torch.no_grad():
            y_pred = model(inputs)
        start = perf_counter()
        backpropagation(model, labels, y_pred, "cross_entropy")
        return perf_counter() - start

    return one_pass


def processor() -> str:
    """Return the name of the CPU, which on Linux is only available from /proc."""
    information = Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or sys.platform


if __name__ == "__main__":
    main()
