"""Gather every number that the report states."""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from safetensors import safe_open

from handgrad.hyperparameters import Combination
from handgrad.records.metrics import Metrics
from handgrad.records.preflight import Preflight
from handgrad.reporting.facts import assemble
from handgrad.reporting.provenance import collect
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, write_json


@dataclass(frozen=True)
class Options:
    config: Annotated[dict[str, Any], "the validated config, without its hyperparameters"]
    hyperparameters: Annotated[list[dict[str, float]], "those of the config"]
    fingerprints: Annotated[dict[str, str], "of the code of each stage"]
    preflight: Path
    source: Path
    summary: Path
    gradient_check: Path
    comparison: Path
    selection: Path
    baselines: Path
    evaluation: Path
    run_folders: Annotated[list[Path], "in the order of the config"]
    trainer: Annotated[str, "whose histories are read"]
    output_facts: Path


def main(options: Options) -> None:
    preflight: Preflight = read_json(options.preflight)
    facts = assemble(
        config=options.config | {"hyperparameters": options.hyperparameters},
        source=read_json(options.source),
        summary=read_json(options.summary),
        gradient_check=read_json(options.gradient_check),
        comparison=read_json(options.comparison),
        selection=read_json(options.selection),
        baselines=read_json(options.baselines),
        evaluation=read_json(options.evaluation),
        histories=[read_history(folder, options.trainer) for folder in options.run_folders],
        provenance=collect(Path.cwd(), options.fingerprints) | {"arithmetic": preflight["arithmetic"]},
    )
    write_json(options.output_facts, facts)


def read_history(folder: Path, trainer: str) -> dict[str, Any]:
    """Read a run's hyperparameters and the columns of its history, with None for non-finite values."""
    run = folder / trainer
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics: Metrics = read_json(run / "metrics.json")
    with safe_open(run / "model.safetensors", framework="numpy") as model:
        weights = model.get_tensor("fc.1.weight")
    return {
        "run": run.as_posix(),
        **Combination.of(metrics).named(),
        "seed": metrics["seed"],
        "first_layer_norm": float(np.sqrt(np.square(weights).sum())),
        **{name: [_finite(float(row[name])) for row in rows] for name in rows[0] if name != "epoch"},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    run_stage(main, Options, run_files=("metrics.json", "history.csv", "model.safetensors"))
