"""The test cases that every submission is run on: networks with batches, and settings of the update."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from handgrad.checking.formulas import Steps
from handgrad.networks import MyMLP, MyNet

MakeNetwork = Callable[[list[int], list[str]], Any]


@dataclass(frozen=True)
class Case:
    """A network and a batch size; `seed` determines the weights, inputs and targets."""

    widths: tuple[int, ...]
    activations: tuple[str, ...]
    batch_size: int
    seed: int

    def __str__(self) -> str:
        names = self.activations[0] if len(set(self.activations)) == 1 else ", ".join(self.activations)
        return f"network {'-'.join(map(str, self.widths))}, {names}, batch of {self.batch_size}"


# With as many samples as units, a wrong product gives a result to compare rather than a shape error.
SQUARE_CASES = (
    Case((4, 4, 4, 4), ("tanh",) * 3, 4, 1),
    Case((4, 4, 4, 4), ("sigmoid", "tanh", "softplus"), 4, 2),
    Case((3, 3, 3, 3, 3), ("gelu", "sigmoid", "tanh", "sigmoid"), 3, 3),
)
CASES = (
    *SQUARE_CASES,
    Case((2, 3, 2), ("tanh",) * 2, 5, 4),
    Case((3, 2), ("tanh",), 4, 5),
    Case((4, 3, 2), ("tanh",) * 2, 1, 6),
    Case((1, 1, 1), ("tanh",) * 2, 3, 7),
    Case((2, 16, 3), ("tanh",) * 2, 20, 8),
    Case((3, 2, 3, 2, 3, 2), ("tanh",) * 5, 4, 9),
    Case((3, 5, 4), ("relu",) * 2, 6, 10),
    Case((3, 5, 4), ("leaky_relu",) * 2, 6, 11),
    Case((3, 5, 4), ("sigmoid",) * 2, 6, 12),
    Case((3, 5, 4), ("softplus",) * 2, 6, 13),
    Case((3, 5, 4), ("gelu",) * 2, 6, 14),
    Case((3, 5, 4), ("identity",) * 2, 6, 15),
    Case((5, 4, 3), ("relu", "identity"), 8, 16),
)


@dataclass(frozen=True)
class Batch:
    inputs: Tensor
    targets: Tensor


def network(case: Case, make: MakeNetwork | None = None, dtype: torch.dtype = torch.float64) -> Any:
    """The network of a case, created by `make`; by default, a MyNet."""
    torch.manual_seed(case.seed)
    if make:
        return make(list(case.widths), list(case.activations)).to(dtype)
    model = MyNet(list(case.widths), list(case.activations)).to(dtype)
    model.df = {layer: _full(df) for layer, df in model.df.items()}
    return model


def _full(df: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """A derivative that has the shape of its argument, which a submission may rely on, even if constant."""
    return lambda z: df(z) + torch.zeros_like(z)


def batches(case: Case, loss: str, dtype: torch.dtype = torch.float64) -> tuple[Batch, Batch]:
    """Two batches: gradients and activations left over from the first must not affect the second."""
    generator = torch.Generator().manual_seed(case.seed)

    def drawn(width: int) -> Tensor:
        return torch.randn(case.batch_size, width, generator=generator, dtype=dtype)

    def targets() -> Tensor:
        outputs = case.widths[-1]
        if loss == "cross_entropy":
            return torch.randint(outputs, (case.batch_size,), generator=generator)
        return drawn(outputs)

    first, second = (Batch(2 * drawn(case.widths[0]), targets()) for _ in range(2))
    return first, second


@dataclass(frozen=True)
class Setting:
    """Hyperparameters of one short training run."""

    lr: float
    weight_decay: float = 0.0
    momentum: float = 0.0
    dampening: float = 0.0
    nesterov: bool = False
    hidden: tuple[int, ...] = (4,)
    seed: int = 0

    @property
    def hyperparameters(self) -> dict[str, Any]:
        names = ("lr", "weight_decay", "momentum", "dampening", "nesterov")
        return {name: getattr(self, name) for name in names}

    def __str__(self) -> str:
        values = self.hyperparameters.items()
        return ", ".join(
            f"{name.replace('_', ' ')} {value:g}" for name, value in values if value or name == "lr"
        )


# The first setting has neither weight decay nor momentum: failures there have nothing to do with them.
SETTINGS = (
    Setting(0.1, seed=1),
    Setting(0.03, seed=2, hidden=(3, 3)),
    Setting(0.1, weight_decay=0.2, seed=3),
    Setting(0.05, momentum=0.9, seed=4),
    Setting(0.07, momentum=0.4, seed=5, hidden=(3, 2)),
    Setting(0.05, weight_decay=0.3, momentum=0.7, seed=6),
)
DAMPENED_SETTINGS = (Setting(0.05, momentum=0.8, dampening=0.3, seed=7),)
NESTEROV_SETTINGS = (Setting(0.05, weight_decay=0.1, momentum=0.8, nesterov=True, seed=8),)
EPOCHS, SAMPLES, BATCH_SIZE = 3, 10, 4  # the last batch of an epoch has 2 samples
CLASSES = 2
IMAGE = (3, 32, 32)  # as in CIFAR-10, for functions with a hard-coded number of pixels


def training_network(setting: Setting, dtype: torch.dtype = torch.float64) -> MyMLP:
    """The network for a short training run. Its inputs are scaled down because an image has many pixels."""
    torch.manual_seed(setting.seed)
    return MyMLP(hidden=setting.hidden, n_classes=CLASSES, activation="tanh").to(dtype)


def samples(seed: int, dtype: torch.dtype = torch.float64, count: int = SAMPLES) -> TensorDataset:
    """Random noise images with labels."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randn(count, *IMAGE, generator=generator, dtype=dtype)
    return TensorDataset(images, torch.randint(CLASSES, (count,), generator=generator))


class Watched(DataLoader):
    """A DataLoader that records a model's parameters and mode whenever a batch is fetched."""

    def __init__(self, data: TensorDataset, model: nn.Module, batch_size: int = BATCH_SIZE) -> None:
        super().__init__(data, batch_size=batch_size)
        self.seen: list[Tensor] = []
        self.modes: list[bool] = []
        self.passes = 0
        self._watch = lambda: (flat_parameters(model), model.training)

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        self.passes += 1
        for batch in super().__iter__():
            self._note()
            yield batch

    def _note(self) -> None:
        parameters, training = self._watch()
        self.seen.append(parameters)
        self.modes.append(training)


def flat_parameters(model: nn.Module) -> Tensor:
    """A copy of all the parameters of a model in one vector."""
    return torch.cat([parameter.detach().flatten() for parameter in model.parameters()]).clone()


def observed_steps(
    points: list[Tensor], model: MyMLP, data: TensorDataset, loss_fn: nn.Module, settings: dict[str, Any]
) -> Steps:
    """The steps of a training run that visited `points`, with the gradient of each step's batch there."""
    loader = list(DataLoader(data, batch_size=BATCH_SIZE))

    def gradient(step: int) -> Tensor:
        inputs, labels = loader[step % len(loader)]
        parts = torch.autograd.grad(loss_fn(model(inputs), labels), list(model.parameters()))
        return torch.cat([part.flatten() for part in parts])

    gradients, late_gradients = [], []
    with restored(model):
        for step, point in enumerate(points[:-1]):
            _load(model, point)
            gradients.append(gradient(step))
            late_gradients.append(gradient(step - 1) if step else torch.zeros_like(point))
    names = [(name, parameter.numel()) for name, parameter in model.named_parameters()]
    is_bias = torch.cat([torch.full((count,), name.endswith("bias")) for name, count in names])
    is_last = torch.cat([torch.full((count,), f"fc.{model.L}." in name) for name, count in names])
    return Steps(
        torch.stack(points),
        torch.stack(gradients),
        torch.stack(late_gradients),
        [len(labels) for _, labels in loader],
        len(loader),
        is_bias,
        is_last,
        settings,
    )


@contextmanager
def restored(model: nn.Module) -> Iterator[None]:
    """Restore the model's parameters on exit."""
    before = flat_parameters(model)
    try:
        yield
    finally:
        _load(model, before)


def _load(model: nn.Module, values: Tensor) -> None:
    torch.nn.utils.vector_to_parameters(values.clone(), model.parameters())
