"""Gather every number that the report states."""

import argparse
import csv
import json
import math
from pathlib import Path
from typing import Any

from handgrad.hyperparameters import Combination
from handgrad.reporting.facts import assemble
from handgrad.reporting.provenance import collect
from handgrad.stages.plumbing import read_json, run_stage, write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config", type=json.loads, required=True, help="the validated config, as JSON")
    parser.add_argument(
        "--hyperparameters", type=json.loads, nargs="*", required=True, help="the config's, each as JSON"
    )
    parser.add_argument(
        "--fingerprints", type=json.loads, required=True, help="of each stage's code, as JSON"
    )
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--summary", type=Path, required=True)
    parser.add_argument("--gradient-check", type=Path, required=True)
    parser.add_argument("--comparison", type=Path, required=True)
    parser.add_argument("--selection", type=Path, required=True)
    parser.add_argument("--baselines", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--run-folders", type=Path, nargs="+", required=True, help="in the config's order")
    parser.add_argument("--trainer", required=True, help="whose histories are read")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

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
        provenance=collect(Path.cwd(), options.fingerprints),
    )
    write_json(options.output, facts)


def read_history(folder: Path, trainer: str) -> dict[str, Any]:
    """The history of a run, by column, None where a value is not finite, and the run's hyperparameters."""
    run = folder / trainer
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    metrics = read_json(run / "metrics.json")
    return {
        "run": run.as_posix(),
        **Combination.of(metrics).named(),
        "seed": metrics["seed"],
        **{name: [_finite(float(row[name])) for row in rows] for name in rows[0] if name != "epoch"},
    }


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


if __name__ == "__main__":
    run_stage(main)
