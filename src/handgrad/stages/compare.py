"""Compare the trainers with each other, run by run: how far apart are losses and parameters?"""

import hashlib
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from handgrad.errors import HandgradError
from handgrad.evaluation.agreement import Agreement, agreement, digest, first_difference
from handgrad.hyperparameters import Combination
from handgrad.records.comparison import ComparedRun, Comparison, OtherRun
from handgrad.records.metrics import Metrics
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, write_json

RUN_FILES = ("model.safetensors", "history.csv", "metrics.json", "validation_predictions.csv")


@dataclass(frozen=True)
class Options:
    run_folders: Annotated[list[Path], "of the runs that every trainer trained"]
    other_folders: Annotated[list[Path], "of those that the first trainer alone trained"]
    trainers: list[str]
    tolerance: float
    output_comparison: Path


def main(options: Options) -> None:
    runs = [compare_trainers(folder, options.trainers) for folder in options.run_folders]
    beyond = [
        f"{folder}: losses differ by {run['loss_difference']:.3g}, parameters by "
        f"{run['parameter_difference']:.3g} between {furthest(folder, options.trainers)}"
        for folder, run in zip(options.run_folders, runs, strict=True)
        if max(run["loss_difference"], run["parameter_difference"]) > options.tolerance
    ]
    if beyond:
        raise HandgradError(
            f"the trainers disagree by more than comparison.tolerance, {options.tolerance:g}:\n  "
            + "\n  ".join(beyond)
        )
    comparison: Comparison = {
        "tolerance": options.tolerance,
        "trainers": options.trainers,
        "bit_identical": all(run["bit_identical"] for run in runs),
        "largest_loss_difference": max(run["loss_difference"] for run in runs),
        "largest_parameter_difference": max(run["parameter_difference"] for run in runs),
        "runs": runs,
        "others": [other_run(folder, options.trainers[0]) for folder in options.other_folders],
    }
    write_json(options.output_comparison, comparison)


def compare_trainers(folder: Path, trainers: list[str]) -> ComparedRun:
    """Return the largest differences between any two trainers of the run in `folder`.

    Raises:
        HandgradError: if a file is damaged, or the trainers' files are inconsistent.
    """
    metrics: Metrics = read_json(folder / trainers[0] / "metrics.json")
    try:
        losses = [read_losses(folder / name) for name in trainers]
        models = [load_file(folder / name / "model.safetensors") for name in trainers]
        pairs = agreements(losses, models)
        epochs = [first_difference(*pair) for pair in combinations(losses, 2)]
    except (ValueError, SafetensorError) as error:
        raise HandgradError(
            f"{folder}: histories or models cannot be compared ({error}); delete it and run snakemake again"
        ) from error
    return {
        **Combination.of(metrics).named(),
        "seed": metrics["seed"],
        "epochs": metrics["epochs"],
        "loss_difference": max((pair.loss_difference for pair in pairs), default=0.0),
        "parameter_difference": max((pair.parameter_difference for pair in pairs), default=0.0),
        "bit_identical": all(pair.bit_identical for pair in pairs),
        "first_different_epoch": min((epoch for epoch in epochs if epoch), default=None),
        "digests": {name: digest(model) for name, model in zip(trainers, models, strict=True)},
        # Later stages depend on the comparison instead of on all runs; the hashes make it change with them.
        "sha256": {name: files_sha256(folder / name) for name in trainers},
    }


def furthest(folder: Path, trainers: list[str]) -> str:
    """Return the names of the two trainers that differ most in a run."""
    losses = [read_losses(folder / name) for name in trainers]
    models = [load_file(folder / name / "model.safetensors") for name in trainers]
    pairs = zip(agreements(losses, models), combinations(trainers, 2), strict=True)
    _, names = max(pairs, key=lambda pair: max(pair[0].loss_difference, pair[0].parameter_difference))
    return " and ".join(names)


def other_run(folder: Path, trainer: str) -> OtherRun:
    metrics: Metrics = read_json(folder / trainer / "metrics.json")
    return {
        **Combination.of(metrics).named(),
        "seed": metrics["seed"],
        "sha256": {trainer: files_sha256(folder / trainer)},
    }


def files_sha256(folder: Path) -> str:
    """Return the SHA-256 of the concatenated files of a training."""
    digest = hashlib.sha256()
    for name in RUN_FILES:
        digest.update((folder / name).read_bytes())
    return digest.hexdigest()


def read_losses(training: Path) -> NDArray[np.float64]:
    """Read the training and validation losses, [epochs, 2], which are written with all their digits."""
    return np.loadtxt(training / "history.csv", delimiter=",", skiprows=1, usecols=(1, 2), ndmin=2)


def agreements(
    losses: list[NDArray[np.float64]], models: list[dict[str, NDArray[np.floating]]]
) -> list[Agreement]:
    """Compare every two trainings."""
    return [
        agreement(losses[i], losses[j], models[i], models[j]) for i, j in combinations(range(len(losses)), 2)
    ]


if __name__ == "__main__":
    run_stage(main, Options, run_files=RUN_FILES)
