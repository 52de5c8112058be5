"""Synthetic pipeline files in the formats of the stages, written without any training."""

import hashlib
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
from helpers import made_up_facts
from safetensors.numpy import save_file

HYPERPARAMETERS = ("lr", "weight_decay", "momentum")


def write_json(path: Path, content: object) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_split(path: Path, labels: list[int], seed: int = 0, greys: list[int] | None = None) -> Path:
    """Write a prepared split: noise around one colour per class, which can be learnt, or plain greys.

    The indices in the official set are three times the positions; mean 0.5, deviation 0.25.
    """
    labels = np.array(labels, dtype=np.int64)
    colours = np.random.default_rng(1).integers(60, 196, size=(10, 3))[labels]
    images = colours[:, :, None, None] + np.random.default_rng(seed).normal(0, 30, (len(labels), 3, 32, 32))
    if greys is not None:
        images = np.full((len(labels), 3, 32, 32), np.array(greys)[:, None, None, None])
    path.parent.mkdir(parents=True, exist_ok=True)
    save_file(
        {
            "images": np.clip(images, 0, 255).astype(np.uint8),
            "labels": labels,
            "indices": 3 * np.arange(len(labels), dtype=np.int64),
            "mean": np.full(3, 0.5),
            "std": np.full(3, 0.25),
        },
        path,
    )
    return path


def write_run(
    results: Path,
    combination: tuple[float, float, float],
    labels: list[int],
    predicted: list[int],
    *,
    seed: int = 256,
    trainers: tuple[str, ...] = ("train",),
    validation_loss: float = 0.5,
    diverged_epoch: int | None = None,
    epochs: int = 5,
    weights: dict[str, np.ndarray] | None = None,
) -> Path:
    """Write a run's folder with each trainer's files; the loss falls to `validation_loss`, or diverges."""
    figures = dict(zip(HYPERPARAMETERS, combination, strict=True))
    folder = results / "runs" / "/".join(f"{name}~{value}" for name, value in figures.items())
    folder /= f"seed~{seed}"
    correct = float(np.mean(np.equal(labels, predicted)))
    epoch = np.arange(1, epochs + 1)
    losses = validation_loss * (1 + np.exp(-epoch) - np.exp(-epochs))
    if diverged_epoch:
        losses = np.where(epoch < diverged_epoch, 10.0**epoch, math.nan)
    history = pd.DataFrame(
        {
            "epoch": epoch,
            "training_loss": 0.9 * losses,
            "validation_loss": losses,
            "training_accuracy": np.linspace(0.5, 0.9, epochs),
            "validation_accuracy": np.linspace(0.5, correct, epochs),
        }
    )
    metrics = figures | {
        "seed": seed,
        "epochs": epochs,
        "parameters": 10,
        "kept_epoch": epochs,
        "diverged": diverged_epoch is not None,
        "diverged_epoch": diverged_epoch,
        "training_loss": None if diverged_epoch else 0.9 * validation_loss,
        "validation_loss": None if diverged_epoch else validation_loss,
        "training_accuracy": 0.9,
        "validation_accuracy": correct,
    }
    predictions = pd.DataFrame({"index": np.arange(len(labels)), "label": labels, "predicted": predicted})
    if weights is None:
        weights = {"fc.1.weight": np.array([[*combination, float(seed)]])}
    for trainer in trainers:
        write_json(folder / trainer / "metrics.json", metrics | {"trainer": trainer})
        history.to_csv(folder / trainer / "history.csv", index=False, na_rep="nan")
        predictions.to_csv(folder / trainer / "validation_predictions.csv", index=False)
        save_file(weights, folder / trainer / "model.safetensors")
    return folder


def write_comparison(
    results: Path, folders: list[Path], trainers: tuple[str, ...] = ("train",), difference: float = 0.0
) -> Path:
    """Write comparison.json of runs that agree up to `difference`."""
    runs = []
    for folder in folders:
        metrics = json.loads((folder / trainers[0] / "metrics.json").read_text())
        runs.append(
            {name: metrics[name] for name in (*HYPERPARAMETERS, "seed", "epochs")}
            | {
                "loss_difference": difference,
                "parameter_difference": difference,
                "bit_identical": difference == 0,
                "first_different_epoch": 1 if difference else None,
                "digests": dict.fromkeys(trainers, hashlib.sha256(b"parameters").hexdigest()),
                "sha256": dict.fromkeys(trainers, hashlib.sha256(b"files").hexdigest()),
            }
        )
    return write_json(
        results / "comparison.json",
        {
            "tolerance": 2 * difference,
            "trainers": list(trainers),
            "bit_identical": difference == 0,
            "largest_loss_difference": difference,
            "largest_parameter_difference": difference,
            "runs": runs,
            "others": [],
        },
    )


def write_gradient_check(results: Path) -> Path:
    return write_json(results / "gradients/check.json", made_up_facts.gradient_check())


def write_source(results: Path, *, stand_in: bool = False) -> Path:
    return write_json(results / "data/source.json", made_up_facts.source(stand_in))
