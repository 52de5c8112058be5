"""Check the gradients by hand against autograd and central differences, before any training."""

import copy
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated

import torch
from torch import Tensor, nn

from handgrad import gradcheck
from handgrad.activations import ACTIVATIONS
from handgrad.buffers import Buffers
from handgrad.data.batches import Batches
from handgrad.gradcheck import (
    AUTOGRAD_TOLERANCE,
    CENTRAL_TOLERANCE,
    EPSILON,
    check_against_autograd,
    check_gradients,
    gradients_by_hand,
    sweep_epsilon,
)
from handgrad.losses import LOSSES
from handgrad.networks import MyMLP, MyNet
from handgrad.records import gradient_check
from handgrad.records.gradient_check import AutogradCase, CentralCase, EpsilonSweep, GradientCheck, Textbook
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import write_json
from handgrad.training import train_manual_backprop, train_manual_update

NETWORKS = ([2, 3, 2], [5, 4, 3], [576, 128, 32, 10], [8, 8, 8, 8, 8, 8, 8, 3])
BATCH_SIZES = (1, 7, 32)
# In networks with more parameters than this, central differences check only a sample of them.
ALL_PARAMETERS = 100
SAMPLES_PER_LAYER = 4

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Case:
    """A network with random parameters and a random batch."""

    network: list[int]
    activation: str
    loss: str
    batch_size: int
    dtype: torch.dtype = torch.float64

    def draw(self) -> tuple[MyNet, Tensor, Tensor]:
        """Draw the model, inputs and y_true from torch's global generator."""
        inputs, outputs = self.network[0], self.network[-1]
        activations = [self.activation] * (len(self.network) - 1)
        if self.loss == "cross_entropy":
            activations[-1] = "identity"
            y_true = torch.randint(outputs, (self.batch_size,))
        else:
            y_true = torch.randn(self.batch_size, outputs, dtype=self.dtype)
        model = MyNet(self.network, activations).to(self.dtype)
        return model, torch.randn(self.batch_size, inputs, dtype=self.dtype), y_true

    def described(self) -> gradient_check.Case:
        return {
            "network": self.network,
            "activation": self.activation,
            "loss": self.loss,
            "batch_size": self.batch_size,
            "dtype": str(self.dtype).removeprefix("torch."),
        }


@dataclass(frozen=True)
class Options:
    seed: Annotated[int, "of parameters, batches and samples"]
    output_check: Path


def main(options: Options) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(options.seed)
    autograd = [check for case in autograd_cases() for check in against_autograd(case)]
    logger.info("%d comparisons with autograd agree", len(autograd))
    central = [against_central_differences(case, options.seed) for case in cases()]
    logger.info("%d comparisons with central differences agree", len(central))
    check: GradientCheck = {
        "passed": True,
        "autograd": {"tolerance": AUTOGRAD_TOLERANCE[torch.float64], "checks": autograd},
        "central_differences": {
            "epsilon": EPSILON,
            "tolerance": CENTRAL_TOLERANCE[torch.float64],
            "checks": central,
        },
        "epsilon_sweep": epsilon_sweep(),
        "textbook": textbook_form(),
    }
    write_json(options.output_check, check)


def cases() -> Iterator[Case]:
    for network, activation, loss, batch_size in product(NETWORKS, ACTIVATIONS, LOSSES, BATCH_SIZES):
        yield Case(network, activation, loss, batch_size)


def autograd_cases() -> Iterator[Case]:
    """In float32, only the case that is bit-identical: 1e-12 is below its unit roundoff."""
    yield from cases()
    for network, batch_size in product(NETWORKS, BATCH_SIZES):
        yield Case(network, "relu", "cross_entropy", batch_size, torch.float32)


def against_autograd(case: Case) -> Iterator[AutogradCase]:
    """Check both the plain function and the buffers that the trainer uses."""
    model, inputs, y_true = case.draw()
    buffers = Buffers(model, case.batch_size)
    buffers.forward(inputs)
    buffers.backward(y_true, case.loss)
    gradients: dict[str, Sequence[torch.Tensor | None]] = {
        "backpropagation": gradients_by_hand(model, inputs, y_true, case.loss),
        "buffers": buffers.gradients,
    }
    for implementation, by_hand in gradients.items():
        check = check_against_autograd(model, inputs, y_true, case.loss, by_hand)
        yield {
            "implementation": implementation,
            **case.described(),
            "largest_relative_error": check.largest_relative_error,
            "bit_identical": check.bit_identical,
        }


def against_central_differences(case: Case, seed: int) -> CentralCase:
    model, inputs, y_true = case.draw()
    n_parameters = sum(parameter.numel() for parameter in model.parameters())
    samples = None if n_parameters <= ALL_PARAMETERS else SAMPLES_PER_LAYER
    check = check_gradients(model, inputs, y_true, case.loss, n_samples_per_layer=samples, seed=seed)
    return {
        **case.described(),
        "parameters": check.parameters,
        "parameters_checked": check.parameters_checked,
        "kinks": check.kinks,
        "unmeasurable": check.unmeasurable,
        "largest_relative_error": check.largest_relative_error,
    }


def epsilon_sweep() -> EpsilonSweep:
    case = Case([5, 4, 3], "tanh", "squared_error", 7)
    sweep = sweep_epsilon(*case.draw(), case.loss)
    points = zip(sweep.epsilons, sweep.forward_errors, sweep.central_errors, strict=True)
    return {
        **case.described(),
        "points": [
            {"epsilon": epsilon, "forward": forward, "central": central}
            for epsilon, forward, central in points
        ],
        "forward": curve(sweep.forward),
        "central": curve(sweep.central),
    }


def textbook_form() -> Textbook:
    """Train on drawn inputs by autograd, and by hand with the textbook gradient of cross entropy."""
    # With a power of two as batch size, dividing by it would be exact.
    network, samples, batch_size, epochs = [64, 32, 16, 2], 300, 50, 50
    model = MyMLP(network[0], network[1:-1], network[-1]).double()
    by_hand = copy.deepcopy(model)
    inputs = torch.randn(samples, network[0], dtype=torch.float64)
    loader = Batches(inputs, torch.randint(network[-1], (samples,)), batch_size)
    loss = nn.CrossEntropyLoss()
    expected = train_manual_update(epochs, 0.1, model, loss, loader, momentum=0.9)
    found = train_manual_backprop(epochs, 0.1, by_hand, loss, loader, momentum=0.9, textbook=True)
    pairs = list(zip(model.parameters(), by_hand.parameters(), strict=True))
    losses = zip(expected.training_loss, found.training_loss, strict=True)
    return {
        "network": network,
        "samples": samples,
        "batch_size": batch_size,
        "epochs": epochs,
        "largest_parameter": max(parameter.abs().max().item() for parameter, _ in pairs),
        "parameter_difference": max((one - other).abs().max().item() for one, other in pairs),
        "loss_difference": max(abs(one - other) for one, other in losses),
    }


def curve(errors: gradcheck.Curve) -> gradient_check.Curve:
    return {"best_epsilon": errors.best_epsilon, "best_error": errors.best_error, "slope": errors.slope}


if __name__ == "__main__":
    run_stage(main, Options)
