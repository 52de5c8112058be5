"""Check, before the first training, that an experiment can run to completion on this machine."""

import logging
import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

# Imported first, since it sets the environment variable for deterministic algorithms on a GPU.
from handgrad.stages.train import DTYPES, choose_device  # isort: skip

import psutil
import torch
from threadpoolctl import threadpool_info
from torch import nn

from handgrad.comparison import Comparison, compare_models
from handgrad.data.batches import Batches
from handgrad.errors import HandgradError
from handgrad.hyperparameters import Combination
from handgrad.networks import MyMLP
from handgrad.records.preflight import Arithmetic, Preflight
from handgrad.stages import render
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import write_json

INPUTS = 3072
UPDATES = 3
LARGEST_BATCH = 256
MB = 1_000_000

FIGURE = '<svg xmlns="http://www.w3.org/2000/svg" width="8" height="8"><rect width="8" height="8"/></svg>'
REPORT = "---\ntitle: Preflight\nlang: en\n---\n\n# Summary\n\n![A square](figures/square.svg)\n"


@dataclass(frozen=True)
class Options:
    trainers: list[str]
    combinations: Annotated[list[dict[str, Any]], "some of those that will be trained"]
    seed: int
    classes: Annotated[int, "number of outputs"]
    dtype: Literal["float64", "float32"]
    device: Literal["auto", "cpu", "cuda"]
    threads: int
    tolerance: float
    formats: list[str]
    style: Annotated[Path, "folder of the report's templates, by format"]
    training_mb: Annotated[int, "memory that a training needs"]
    disk_mb: Annotated[int, "room that the results need"]
    trainings_at_once: int
    output_record: Path


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    check_memory(options.training_mb, options.trainings_at_once)
    check_disk(options.disk_mb, options.output_record.parent)
    with tempfile.TemporaryDirectory() as folder:
        for form in sorted({"html", "pdf"}.intersection(options.formats)):
            check_format(form, options.style, Path(folder))
    difference = check_trainers(options, device)
    logging.info(
        "device %s; trainers differ by %.3g after %d updates, tolerance %g; %d MB a training, %d MB of disk",
        device, difference, UPDATES, options.tolerance, options.training_mb, options.disk_mb,
    )  # fmt: skip
    record: Preflight = {
        "device": str(device),
        "updates": UPDATES,
        "largest_difference": difference,
        "tolerance": options.tolerance,
        "training_mb": options.training_mb,
        "disk_mb": options.disk_mb,
        "arithmetic": arithmetic(),
    }
    write_json(options.output_record, record)


def arithmetic() -> Arithmetic:
    """Return the libraries and settings that PyTorch and NumPy compute with in this process."""
    build = torch.__config__.show()
    blas = re.search(r"\bBLAS_INFO=(\w+)", build)
    return {
        "instruction_set": torch.backends.cpu.get_cpu_capability(),
        "blas": blas[1] if blas else "unknown",
        "threads": torch.get_num_threads(),
        "thread_pools": [
            {
                "library": Path(pool["filepath"]).name,
                "api": pool["internal_api"],
                "version": pool["version"],
                "architecture": pool.get("architecture"),
                "threads": pool["num_threads"],
            }
            for pool in sorted(threadpool_info(), key=lambda pool: str(pool["filepath"]))
        ],
        "torch_build": build.strip().splitlines(),
    }


def check_memory(training_mb: int, at_once: int) -> None:
    """Raise HandgradError unless there is enough free memory for `at_once` concurrent trainings."""
    available = psutil.virtual_memory().available // MB
    if training_mb * at_once > available:
        raise HandgradError(
            f"memory: {at_once} trainings at once need up to {training_mb * at_once:,} MB, but "
            f"{available:,} MB are available; lower --cores, model.hidden, training.batch_size "
            "or data.images_per_class"
        )


def check_disk(disk_mb: int, results: Path) -> None:
    """Raise HandgradError unless the results fit on the disk, counting the space they already use."""
    results.mkdir(parents=True, exist_ok=True)
    held = sum(path.stat().st_size for path in results.rglob("*") if path.is_file()) // MB
    free = shutil.disk_usage(results).free // MB
    if disk_mb > held + free:
        raise HandgradError(
            f"disk: the results need up to {disk_mb:,} MB, but {results.resolve()} has {free:,} MB free; "
            "make room, or run the project in a folder on another disk"
        )


def check_format(form: str, style: Path, folder: Path) -> None:
    """Typeset a page with a figure in the report's style; raise HandgradError if that fails."""
    (folder / "figures").mkdir(exist_ok=True)
    (folder / "figures/square.svg").write_text(FIGURE)
    (folder / "report.md").write_text(REPORT)
    document = folder / f"report.{form}"
    try:
        render.main(render.Options(folder / "report.md", form, sorted((style / form).iterdir()), document))  # type: ignore[arg-type]
        content = document.read_bytes()
    except (HandgradError, OSError, RuntimeError) as error:
        raise HandgradError(
            f"report.formats has {form}, but it cannot be typeset here: {' '.join(str(error).split())}; "
            "set the environment variable PYPANDOC_PANDOC to a pandoc that runs (on Apple Silicon, the "
            f"bundled one needs Rosetta), or remove {form} from report.formats"
        ) from error
    if not (content.startswith(b"%PDF") if form == "pdf" else b"<svg" in content or b"data:image" in content):
        raise HandgradError(f"report.formats has {form}, but a figure was not embedded; reinstall the pins")


def check_trainers(options: Options, device: torch.device) -> float:
    """Train the network of each combination for a few updates with each trainer, on random inputs.

    Returns:
        The largest difference in losses and parameters between the first trainer and the others.

    Raises:
        HandgradError: if the difference exceeds the tolerance, or the network does not fit in memory.
    """
    try:
        comparisons = [
            compare_trainers(Combination.of(settings), options, device) for settings in options.combinations
        ]
    except torch.OutOfMemoryError as error:
        raise HandgradError(
            f"memory: the network does not fit on {device}; lower model.hidden or training.batch_size"
        ) from error
    difference = max(
        (
            max(pair.loss_difference, pair.parameter_difference)
            for comparison in comparisons
            for pair in comparison.agreements.values()
        ),
        default=0.0,
    )
    if difference > options.tolerance:
        remedy = (
            "; on the CPU they should agree to the bit: please report this as a bug"
            if device.type == "cpu"
            else f"; equal bits are promised on the CPU only: set comparison.tolerance to at least "
            f"{difference:.1g}, and to more for long trainings, in which differences grow"
        )
        raise HandgradError(
            f"after {UPDATES} updates on {device}, {' and '.join(options.trainers)} differ by "
            f"{difference:.3g}, more than comparison.tolerance, {options.tolerance:g}{remedy}"
        )
    return difference


def compare_trainers(combination: Combination, options: Options, device: torch.device) -> Comparison:
    dtype = DTYPES[options.dtype]
    size = min(combination.batch_size, LARGEST_BATCH)
    generator = torch.Generator().manual_seed(options.seed)
    inputs = torch.randn(UPDATES * size, INPUTS, generator=generator, dtype=dtype).to(device)
    labels = torch.randint(options.classes, (UPDATES * size,), generator=generator).to(device)
    (comparison,) = compare_models(
        [combination.sgd],
        lambda: MyMLP(INPUTS, combination.hidden, options.classes, combination.activation).to(device, dtype),
        nn.CrossEntropyLoss(),
        Batches(inputs, labels, size),
        Batches(inputs[:size], labels[:size], size),
        1,
        seed=options.seed,
        trainers=options.trainers,
    )
    return comparison


if __name__ == "__main__":
    run_stage(main, Options)
