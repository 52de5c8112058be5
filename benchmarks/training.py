"""Time of one epoch of training and validation, relative to that of its unavoidable matrix products.

    python benchmarks/training.py --output benchmarks/results

The network is MyMLP (3072-512-128-32-2, relu, cross entropy), trained in batches of 256 by SGD with momentum
and weight decay on random inputs. The contenders take turns of a few batches and a validation pass, in a new
random order each time. Each ratio is the median over the turns, with its quartiles. The contenders are:

* floor: 4 forward products, 4 for dL_dw, 3 for dL_dz, and 4 for validation, in preallocated memory;
* train_manual_backprop, train, train_manual_update: the trainers of this project;
* SGD fused, SGD default: a plain PyTorch loop over slices of one tensor;
* torch.compile: the same loop, with model, loss and update compiled;
* DataLoader: the same loop, over a list of (image, label) pairs;
* scikit-learn: MLPClassifier; JAX: jitted, with the update in plain JAX.

The validation losses after the last turn confirm that all contenders do the same work.
"""

import argparse
import gc
import importlib.util
import os
import platform
import random
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from itertools import product
from multiprocessing import get_context
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter
from typing import Any, NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import pandas
import torch
from backpropagation import processor
from threadpoolctl import threadpool_limits
from torch import Tensor, nn
from torch.nn import functional
from torch.utils.data import DataLoader

from handgrad.data.batches import Batches
from handgrad.networks import MyMLP
from handgrad.training import train, train_manual_backprop, train_manual_update

N_L = (3072, 512, 128, 32, 2)
BATCH_SIZE = 256
LR, MOMENTUM, WEIGHT_DECAY = 0.01, 0.9, 0.01
SGD = {"lr": LR, "momentum": MOMENTUM, "weight_decay": WEIGHT_DECAY}
# The default run has 8,973 training and 1,027 validation images.
VALIDATION_SHARE = 1027 / 8973


class Data(NamedTuple):
    training: Batches
    validation: Batches


# One epoch of a contender: trains, validates, and returns the validation loss.
Epoch = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--dtypes", nargs="+", choices=("float64", "float32"), default=["float64", "float32"])
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--turns", type=int, default=15)
    parser.add_argument("--batches", type=int, default=12, help="of a turn; the default run's epoch has 36")
    parser.add_argument("--contenders", nargs="+", choices=CONTENDERS, default=list(CONTENDERS))
    parser.add_argument("--output", type=Path, required=True, help="folder for training.md, .csv and .svg")
    options = parser.parse_args()

    rows = []
    for dtype, threads in product(options.dtypes, options.threads):
        # One process each: JAX and the BLAS libraries fix their thread count when they are loaded.
        os.environ |= {"OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        with ProcessPoolExecutor(1, get_context("spawn")) as process:
            arguments = (dtype, threads, options.turns, options.batches, options.contenders)
            rows += process.submit(measure, *arguments).result()
    table = pandas.DataFrame(rows)
    options.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output / "training.csv", index=False)
    text = markdown(table, options.turns, options.batches)
    (options.output / "training.md").write_text(text)
    plot(table, options.output / "training.svg")
    print(text)


def measure(dtype: str, threads: int, turns: int, batches: int, names: list[str]) -> list[dict[str, Any]]:
    """Return times in ms, ratios and validation losses of the contenders for one dtype and thread count."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])
    torch.set_num_threads(threads)
    data = draw(getattr(torch, dtype), batches)
    contenders = {}
    for name in ["floor", *(name for name in names if name != "floor")]:
        try:
            contenders[name] = CONTENDERS[name](data)
            contenders[name]()
        except Exception as error:
            contenders.pop(name, None)
            reason = str(error).strip().partition("\n")[0]
            print(f"{name} is left out: {type(error).__name__}: {reason}", flush=True)

    times: dict[str, list[float]] = {name: [] for name in contenders}
    losses = {}
    order = random.Random(256)
    gc.disable()
    with threadpool_limits(threads):
        for _ in range(turns):
            for name in order.sample(sorted(contenders), len(contenders)):
                start = perf_counter()
                losses[name] = contenders[name]()
                times[name].append(perf_counter() - start)
            gc.collect()

    rows = []
    for name in contenders:
        ratios = [time / floor for time, floor in zip(times[name], times["floor"], strict=True)]
        lower, middle, upper = quantiles(ratios, n=4)
        rows.append(
            {"contender": name, "dtype": dtype, "threads": threads}
            | {"milliseconds": 1000 * median(times[name]), "ratio": middle}
            | {"lower_quartile": lower, "upper_quartile": upper, "validation_loss": losses[name]}
        )
    return rows


def draw(dtype: torch.dtype, batches: int) -> Data:
    """Draw random inputs, with labels that depend on them so that there is something to learn."""
    samples = batches * BATCH_SIZE
    generator = torch.Generator().manual_seed(256)
    inputs = torch.randn(
        samples + round(VALIDATION_SHARE * samples), N_L[0], generator=generator, dtype=dtype
    )
    labels = (inputs[:, :100].sum(1) > 0).long()
    return Data(
        Batches(inputs[:samples], labels[:samples], BATCH_SIZE),
        Batches(inputs[samples:], labels[samples:], len(inputs)),
    )


def make_model(data: Data) -> MyMLP:
    torch.manual_seed(256)
    return MyMLP(N_L[0], N_L[1:-1], N_L[-1]).to(data.training.inputs.dtype)


def floor(data: Data) -> Epoch:
    validation = data.validation.inputs
    weights = [layer.weight.detach() for layer in make_model(data).fc.values()]

    def rows(samples: int) -> list[Tensor]:
        return [torch.zeros(samples, width, dtype=validation.dtype) for width in N_L[1:]]

    z, dL_dz, z_validation = rows(BATCH_SIZE), rows(BATCH_SIZE), rows(len(validation))
    dL_dw = [torch.empty_like(weight) for weight in weights]

    def forward(a: Tensor, z: list[Tensor]) -> None:
        for weight, out in zip(weights, z, strict=True):
            a = torch.mm(a, weight.T, out=out)

    def epoch() -> float:
        for inputs, _ in data.training:
            forward(inputs, z)
            for layer in reversed(range(len(weights))):
                torch.mm(dL_dz[layer].T, z[layer - 1] if layer else inputs, out=dL_dw[layer])
                if layer:
                    torch.mm(dL_dz[layer], weights[layer], out=dL_dz[layer - 1])
        forward(validation, z_validation)
        return float("nan")

    return epoch


def handgrad_train(data: Data) -> Epoch:
    model = make_model(data)
    optimizer = torch.optim.SGD(model.parameters(), **SGD)
    return lambda: train(1, optimizer, model, nn.CrossEntropyLoss(), *data).validation_loss[-1]


def handgrad_by_hand(trainer: Callable[..., Any]) -> Callable[[Data], Epoch]:
    def contender(data: Data) -> Epoch:
        model = make_model(data)
        buffers: list[Tensor | None] = [None for _ in model.parameters()]
        settings = SGD | {"momentum_buffers": buffers}

        def epoch() -> float:
            history = trainer(1, model=model, loss_fn=nn.CrossEntropyLoss(), **data_arguments, **settings)
            return history.validation_loss[-1]

        data_arguments = {"train_loader": data.training, "val_loader": data.validation}
        return epoch

    return contender


def sequential(data: Data) -> nn.Sequential:
    """The same network with the same weights, as a PyTorch user would write it."""
    layers = [part for layer in make_model(data).fc.values() for part in (layer, nn.ReLU())]
    return nn.Sequential(*layers[:-1])


def plain_loop(data: Data, fused: bool | None = None, loader: Any = None, compile_it: bool = False) -> Epoch:
    """Build a tutorial-style training loop: running loss and accuracy, validation after each epoch."""
    model = sequential(data)
    optimizer = torch.optim.SGD(model.parameters(), **SGD, fused=fused)
    batches = data.training if loader is None else loader

    def loss_and_logits(inputs: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        logits = model(inputs)
        return functional.cross_entropy(logits, labels), logits

    update = optimizer.step
    if compile_it:
        loss_and_logits, update = torch.compile(loss_and_logits), torch.compile(optimizer.step)

    def epoch() -> float:
        loss_sum, correct = 0.0, 0
        for inputs, labels in batches:
            optimizer.zero_grad()
            loss, logits = loss_and_logits(inputs, labels)
            loss.backward()
            update()
            loss_sum += loss.item() * len(inputs)
            correct += (logits.argmax(1) == labels).sum().item()
        with torch.no_grad():
            return loss_and_logits(data.validation.inputs, data.validation.labels)[0].item()

    return epoch


def data_loader(data: Data) -> Epoch:
    images = data.training.inputs.view(-1, 3, 32, 32)
    pairs = list(zip(images, data.training.labels.tolist(), strict=True))

    def flat(loader: DataLoader) -> Any:
        return ((inputs.flatten(1), labels) for inputs, labels in loader)

    class Flat:
        def __iter__(self) -> Any:
            return flat(DataLoader(pairs, batch_size=BATCH_SIZE))

    return plain_loop(data, loader=Flat())


def scikit_learn(data: Data) -> Epoch:
    from sklearn.metrics import log_loss
    from sklearn.neural_network import MLPClassifier

    model = MLPClassifier(
        N_L[1:-1],
        solver="sgd",
        learning_rate_init=LR,
        momentum=MOMENTUM,
        nesterovs_momentum=False,
        # scikit-learn's penalty is alpha / 2 * |W|^2 divided by the batch size.
        alpha=WEIGHT_DECAY * BATCH_SIZE,
        batch_size=BATCH_SIZE,
        shuffle=False,
        random_state=256,
    )
    (inputs, labels), (validation, validation_labels) = (
        (part.inputs.numpy(), part.labels.numpy()) for part in data
    )

    def epoch() -> float:
        model.partial_fit(inputs, labels, classes=[0, 1])
        return float(log_loss(validation_labels, model.predict_proba(validation)))

    return epoch


def jax(data: Data) -> Epoch:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)
    parameters = [
        (jnp.array(layer.weight.detach().numpy().T), jnp.array(layer.bias.detach().numpy()))
        for layer in make_model(data).fc.values()
    ]
    state = [parameters, None]

    def loss_of(parameters: Any, inputs: Any, labels: Any) -> tuple[Any, Any]:
        a = inputs
        for weight, bias in parameters[:-1]:
            a = jax.nn.relu(a @ weight + bias)
        weight, bias = parameters[-1]
        logits = a @ weight + bias
        log_probabilities = jax.nn.log_softmax(logits)
        return -jnp.take_along_axis(log_probabilities, labels[:, None], 1).mean(), logits

    def step(parameters: Any, velocity: Any, inputs: Any, labels: Any) -> tuple[Any, ...]:
        (loss, logits), gradients = jax.value_and_grad(loss_of, has_aux=True)(parameters, inputs, labels)
        gradients = jax.tree.map(lambda g, p: g + WEIGHT_DECAY * p, gradients, parameters)
        velocity = (
            gradients
            if velocity is None
            else jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradients)
        )
        parameters = jax.tree.map(lambda p, v: p - LR * v, parameters, velocity)
        return parameters, velocity, loss, (logits.argmax(1) == labels).sum()

    step = jax.jit(step, donate_argnums=(0, 1))
    evaluate = jax.jit(lambda *arguments: loss_of(*arguments)[0])
    training = [(jnp.array(inputs.numpy()), jnp.array(labels.numpy())) for inputs, labels in data.training]
    validation = jnp.array(data.validation.inputs.numpy()), jnp.array(data.validation.labels.numpy())

    def epoch() -> float:
        loss_sum, correct = 0.0, 0
        for inputs, labels in training:
            *state[:], loss, hits = step(*state, inputs, labels)
            loss_sum, correct = loss_sum + loss * len(inputs), correct + hits
        return float(evaluate(state[0], *validation))

    return epoch


CONTENDERS: dict[str, Callable[[Data], Epoch]] = {
    "floor": floor,
    "train_manual_backprop": handgrad_by_hand(train_manual_backprop),
    "train_manual_update": handgrad_by_hand(train_manual_update),
    "train": handgrad_train,
    "SGD fused": lambda data: plain_loop(data, fused=True),
    "torch.compile": lambda data: plain_loop(data, fused=True, compile_it=True),
    "SGD default": plain_loop,
    "DataLoader": data_loader,
    "scikit-learn": scikit_learn,
    "JAX": jax,
}
OURS = ("train_manual_backprop", "train_manual_update", "train")


def markdown(table: pandas.DataFrame, turns: int, batches: int) -> str:
    """The machine and its software, then one row per contender and one column per dtype and thread count."""
    columns = list(dict.fromkeys(zip(table["dtype"], table["threads"], strict=True)))
    cells = table.set_index(["contender", "dtype", "threads"])
    modules = {"torch": "torch", "numpy": "numpy", "scikit-learn": "sklearn", "jax": "jax"}
    packages = [name for name, module in modules.items() if importlib.util.find_spec(module)]
    lines = [
        f"{processor()}, {os.cpu_count()} cores; Python {platform.python_version()}, "
        + ", ".join(f"{name} {version(name)}" for name in packages),
        "",
        f"Time over the floor's: median and quartiles of {turns} turns of {batches} batches.",
        "",
        "| contender | " + " | ".join(f"{dtype}, {threads} thread(s)" for dtype, threads in columns) + " |",
        "|---" * (len(columns) + 1) + "|",
    ]
    for name in dict.fromkeys(table["contender"]):
        row = []
        for column in columns:
            if (name, *column) not in cells.index:
                row.append("not run")
                continue
            cell = cells.loc[(name, *column)]
            row.append(
                f"{cell.milliseconds:.0f} ms"
                if name == "floor"
                else f"{cell.ratio:.2f} ({cell.lower_quartile:.2f}-{cell.upper_quartile:.2f})"
            )
        lines.append(f"| {name} | {' | '.join(row)} |")
    return "\n".join(lines) + "\n"


def plot(table: pandas.DataFrame, path: Path) -> None:
    """One panel per dtype and thread count, one bar per contender."""
    matplotlib.use("svg")
    groups = list(table[table.contender != "floor"].groupby(["dtype", "threads"], sort=False))
    figure, axes = plt.subplots(
        1, len(groups), figsize=(1 + 3 * len(groups), 3.5), sharey=True, squeeze=False
    )
    for ax, ((dtype, threads), group) in zip(axes[0], groups, strict=True):
        colours = ["tab:blue" if name in OURS else "lightgrey" for name in group.contender]
        errors = [group.ratio - group.lower_quartile, group.upper_quartile - group.ratio]
        ax.barh(group.contender, group.ratio, xerr=errors, color=colours)
        ax.bar_label(ax.containers[-1], [f"{ratio:.2f}" for ratio in group.ratio], padding=12)
        ax.axvline(1, color="black", linewidth=0.8)
        ax.set(
            title=f"{dtype}, {threads} thread(s)", xlabel="time / floor", xlim=(0, 1.35 * table.ratio.max())
        )
    axes[0][0].invert_yaxis()
    figure.tight_layout()
    figure.savefig(path)


if __name__ == "__main__":
    main()
