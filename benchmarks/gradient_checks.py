"""Detection rate and false alarms of the gradient checks.

The networks are random, with up to four layers, all activations and losses, and batches of 1 to 16; a third
have weights and inputs that saturate them. Their correct gradients must pass the checks. Then an error of
known relative size is planted in one nonzero entry or in all entries, and must be detected.

    python benchmarks/gradient_checks.py --networks 1000 --planted 200 --output docs/gradient-checks.md
"""

import argparse
import itertools
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from handgrad.activations import ACTIVATIONS
from handgrad.errors import GradientError
from handgrad.gradcheck import LOSS_VALUES, check_against_autograd, check_gradients, gradients_by_hand
from handgrad.networks import MyNet

SIZES = [10.0**-exponent for exponent in range(1, 9)]
DTYPES = {"float64": torch.float64, "float32": torch.float32}
Case = tuple[MyNet, Tensor, Tensor, str]
Check = Callable[..., Any]
SAMPLES = 4  # weights, and as many biases, of each layer checked by central differences


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--networks", type=int, default=1000, help="random correct ones, of each dtype")
    parser.add_argument(
        "--planted", type=int, default=200, help="networks for each planted error, of each dtype"
    )
    parser.add_argument("--output", type=Path, help="a Markdown page whose tables are replaced")
    options = parser.parse_args()
    torch.set_num_threads(1)

    alarms, checked = false_alarms(options.networks)
    caught = planted_errors(options.planted)
    text = tables(alarms, checked, caught, options.networks, options.planted)
    print(text)
    if options.output:
        before, _, rest = options.output.read_text(encoding="utf-8").partition("<!-- begin tables -->")
        _, _, after = rest.partition("<!-- end tables -->")
        page = f"{before}<!-- begin tables -->\n{text}<!-- end tables -->{after}"
        options.output.write_text(page, encoding="utf-8")


def draw(seed: int, dtype: torch.dtype) -> Case:
    """Draw a random network, batch and loss."""
    torch.manual_seed(seed)

    def integer(low: int, high: int) -> int:
        return int(torch.randint(low, high + 1, ()))

    n_l = [integer(1, 12) for _ in range(integer(2, 5))]
    names = list(ACTIVATIONS)
    activations = [names[integer(0, len(names) - 1)] for _ in n_l[1:]]
    loss = list(LOSS_VALUES)[integer(0, 2)]
    samples = integer(1, 16)
    if loss == "cross_entropy":
        n_l[-1] = max(n_l[-1], 2)
    model = MyNet(n_l, activations).to(dtype)
    inputs = torch.randn(samples, n_l[0], dtype=dtype)
    if integer(0, 2) == 0:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(10)
        inputs.mul_(3)
    if loss == "cross_entropy":
        return model, inputs, torch.randint(n_l[-1], (samples,)), loss
    return model, inputs, torch.randn(samples, n_l[-1], dtype=dtype), loss


def by_autograd(model: Any, inputs: Tensor, y_true: Tensor, loss: str, gradients: list[Tensor]) -> Any:
    return check_against_autograd(model, inputs, y_true, loss, gradients)


def by_differences(model: Any, inputs: Tensor, y_true: Tensor, loss: str, gradients: list[Tensor]) -> Any:
    return check_gradients(model, inputs, y_true, loss, gradients, n_samples_per_layer=SAMPLES)


def every_difference(model: Any, inputs: Tensor, y_true: Tensor, loss: str, gradients: list[Tensor]) -> Any:
    return check_gradients(model, inputs, y_true, loss, gradients)


def false_alarms(networks: int) -> tuple[Counter[tuple[str, str]], Counter[tuple[str, str, str]]]:
    """Count false alarms by check and dtype, and the parameters by their outcome."""
    alarms: Counter[tuple[str, str]] = Counter()
    judged: Counter[tuple[str, str, str]] = Counter()
    for dtype in DTYPES:
        for seed in range(networks):
            case = draw(seed, DTYPES[dtype])
            gradients: Any = gradients_by_hand(*case)
            for name, check in (("autograd", by_autograd), ("central differences", by_differences)):
                try:
                    result = check(*case, gradients)
                except GradientError as error:
                    alarms[name, dtype] += 1
                    print(f"false alarm: {name}, {dtype}, seed {seed}: {error}")
                else:
                    judged[name, dtype, "checked"] += result.parameters_checked
                    judged[name, dtype, "not measurable"] += result.unmeasurable
                    judged[name, dtype, "at kinks"] += result.kinks
    return alarms, judged


def planted_errors(networks: int) -> Counter[tuple[str, str, str, float]]:
    """Count the planted errors that were detected, by check, dtype, place and size."""
    caught: Counter[tuple[str, str, str, float]] = Counter()
    checks = {"autograd": by_autograd, "central differences": every_difference}
    for dtype in DTYPES:
        cases = (draw(seed, DTYPES[dtype]) for seed in itertools.count(10**6))
        for case, gradients in itertools.islice(measurable(cases), networks):
            for size, (place, plant) in itertools.product(SIZES, PLACES.items()):
                wrong = plant(gradients, size)
                for name, check in checks.items():
                    caught[name, dtype, place, size] += is_refused(check, case, wrong)
    return caught


def measurable(cases: Iterable[Case]) -> Iterator[tuple[Case, list[Tensor]]]:
    """Yield the cases whose largest gradient is neither tiny nor huge, with their gradients."""
    for case in cases:
        gradients: Any = gradients_by_hand(*case)
        if 1e-6 < max(gradient.abs().max() for gradient in gradients) < 1e6:
            yield case, gradients


def in_all(gradients: list[Tensor], size: float) -> list[Tensor]:
    return [gradient * (1 + size) for gradient in gradients]


def in_one(gradients: list[Tensor], size: float) -> list[Tensor]:
    wrong = [gradient.clone() for gradient in gradients]
    largest = max(wrong, key=lambda gradient: float(gradient.abs().max()))
    largest.view(-1)[largest.abs().argmax()] *= 1 + size
    return wrong


PLACES = {"the largest entry": in_one, "all entries": in_all}


def is_refused(check: Check, case: Case, gradients: list[Tensor]) -> bool:
    try:
        check(*case, gradients)
    except GradientError:
        return True
    return False


def tables(
    alarms: Counter[tuple[str, str]],
    judged: Counter[tuple[str, str, str]],
    caught: Counter[tuple[str, str, str, float]],
    networks: int,
    planted: int,
) -> str:
    lines = [
        "| Reference | dtype | Networks | False alarms | Parameters checked | Not measurable | At kinks |",
        "|---|---|---|---|---|---|---|",
    ]
    checks = [(name, dtype) for name in ("autograd", "central differences") for dtype in DTYPES]
    for name, dtype in checks:
        counts = [judged[name, dtype, what] for what in ("checked", "not measurable", "at kinks")]
        figures = " | ".join(f"{count:,}" for count in (networks, alarms[name, dtype], *counts))
        lines.append(f"| {name} | {dtype} | {figures} |")
    sizes = " | ".join(f"{size:.0e}" for size in SIZES)
    lines += ["", f"| Reference | dtype | Error in | {sizes} |", "|---|---|---|" + "---|" * len(SIZES)]
    for name, dtype in checks:
        for place in PLACES:
            shares = " | ".join(f"{caught[name, dtype, place, size]} of {planted}" for size in SIZES)
            lines.append(f"| {name} | {dtype} | {place} | {shares} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
