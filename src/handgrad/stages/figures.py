"""Draw every figure of the report."""

import argparse
from pathlib import Path
from typing import Any

import pandas as pd

from handgrad.data.cifar10 import read_split
from handgrad.hyperparameters import Combination
from handgrad.reporting.figures.combinations import leaderboard, trainer_agreement
from handgrad.reporting.figures.curves import Curve, training_curves
from handgrad.reporting.figures.gradients import epsilon_sweep
from handgrad.reporting.figures.images import misclassified_images, sample_images
from handgrad.reporting.figures.scores import calibration, confusion_matrix
from handgrad.reporting.figures.style import save
from handgrad.stages.plumbing import read_json, replacing, run_stage

MISCLASSIFIED = 12


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, required=True)
    parser.add_argument("--classes", nargs="+", required=True)
    parser.add_argument("--train-data", type=Path, required=True)
    parser.add_argument("--test-data", type=Path, required=True)
    parser.add_argument("--run-folders", type=Path, nargs="+", required=True)
    parser.add_argument("--trainer", required=True, help="whose curves are drawn")
    parser.add_argument("--selection", type=Path, required=True)
    parser.add_argument("--comparison", type=Path, required=True)
    parser.add_argument("--evaluation", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    parser.add_argument("--gradient-check", type=Path, required=True)
    parser.add_argument("--output-folder", type=Path, required=True)
    options = parser.parse_args()

    data = data_name(read_json(options.source))
    selection = read_json(options.selection)
    evaluation = read_json(options.evaluation)
    seed = selection["selected"]["seed"]
    baselines = evaluation["baselines"]
    predictions = pd.read_csv(options.predictions)
    errors = predictions[predictions["label"] != predictions["predicted"]]
    figures = {
        "sample_images.png": sample_images(read_split(options.train_data), options.classes, data),
        "training_curves.svg": training_curves(
            read_curves(options.run_folders, options.trainer, selection), len(options.classes), seed, data
        ),
        "leaderboard.svg": leaderboard(
            selection,
            {
                "chance": baselines["random"]["accuracy"],
                "majority class": baselines["majority"]["validation_accuracy"],
                "logistic regression": baselines["logistic_regression"]["validation_accuracy"],
            },
            data,
        ),
        "confusion_matrix.svg": confusion_matrix(evaluation, data),
        "misclassified_images.png": misclassified_images(
            read_split(options.test_data), errors, MISCLASSIFIED, data
        ),
        "trainer_agreement.svg": trainer_agreement(read_json(options.comparison), data),
        "epsilon_sweep.svg": epsilon_sweep(read_json(options.gradient_check)["epsilon_sweep"]),
        "calibration.svg": calibration(evaluation, data),
    }
    for name, figure in figures.items():
        with replacing(options.output_folder / name) as temporary:
            save(figure, temporary, name.rpartition(".")[2])


def data_name(source: dict[str, Any]) -> str:
    """What the figures call the data that source.json describes."""
    if source["stand_in"]:
        return "Drawn stand-in for CIFAR-10"
    return "CIFAR-10" if source["official"] else "CIFAR-10, unofficial copy"


def read_curves(folders: list[Path], trainer: str, selection: dict[str, Any]) -> list[Curve]:
    """The histories of the runs with the selected seed, best combination first."""
    histories = {}
    for folder in folders:
        metrics = read_json(folder / trainer / "metrics.json")
        if metrics["seed"] == selection["selected"]["seed"]:
            histories[Combination.of(metrics)] = pd.read_csv(folder / trainer / "history.csv")
    return [
        Curve(combination, histories[combination], row["diverged"])
        for row in selection["ranking"]
        for combination in [Combination.of(row)]
    ]


if __name__ == "__main__":
    run_stage(main)
