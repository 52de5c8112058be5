"""Draw every figure of the report."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from handgrad.data.cifar10 import read_split
from handgrad.errors import HandgradError
from handgrad.hyperparameters import Combination
from handgrad.records.evaluation import Evaluation
from handgrad.records.metrics import Metrics
from handgrad.records.selection import Selection
from handgrad.records.source import Source
from handgrad.reporting.figures.combinations import leaderboard
from handgrad.reporting.figures.curves import Curve, training_curves
from handgrad.reporting.figures.effects import paired_effects
from handgrad.reporting.figures.gradients import epsilon_sweep
from handgrad.reporting.figures.images import misclassified_images, sample_images
from handgrad.reporting.figures.scores import calibration, confusion_matrix
from handgrad.reporting.figures.style import save
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, replacing


@dataclass(frozen=True)
class Options:
    source: Path
    classes: list[str]
    train_data: Path
    test_data: Path
    run_folders: list[Path]
    trainer: Annotated[str, "whose curves are drawn"]
    selection: Path
    evaluation: Path
    predictions: Path
    gradient_check: Path
    output_figures: Annotated[list[Path], "one for each figure, named after it"]


def main(options: Options) -> None:
    data = data_name(read_json(options.source))
    selection: Selection = read_json(options.selection)
    evaluation: Evaluation = read_json(options.evaluation)
    baselines = evaluation["baselines"]
    predictions = pd.read_csv(options.predictions)
    errors = predictions[predictions["label"] != predictions["predicted"]]
    figures = {
        "sample_images": sample_images(read_split(options.train_data), options.classes, data),
        "training_curves": training_curves(
            read_curves(options.run_folders, options.trainer, selection),
            len(options.classes),
            selection["seeds"],
            data,
        ),
        "leaderboard": leaderboard(
            selection,
            {
                "chance": baselines["random"]["accuracy"],
                "majority class": baselines["majority"]["validation_accuracy"],
                "logistic regression": baselines["logistic_regression"]["validation_accuracy"],
            },
            data,
        ),
        "confusion_matrix": confusion_matrix(evaluation, data),
        "misclassified_images": misclassified_images(read_split(options.test_data), errors, data),
        "paired_effects": paired_effects(selection, data),
        "epsilon_sweep": epsilon_sweep(read_json(options.gradient_check)["epsilon_sweep"]),
        "calibration": calibration(evaluation, data),
    }
    for path in options.output_figures:
        if path.stem not in figures:
            raise HandgradError(
                f"{path}: a template shows it; expected one of the figures {', '.join(figures)}"
            )
        with replacing(path) as temporary:
            save(figures[path.stem], temporary, path.suffix.removeprefix("."))


def data_name(source: Source) -> str:
    """Return the name that figures use for the data described in source.json."""
    if source["stand_in"]:
        return "Drawn stand-in for CIFAR-10"
    return "CIFAR-10" if source["official"] else "CIFAR-10, unofficial copy"


def read_curves(folders: list[Path], trainer: str, selection: Selection) -> list[Curve]:
    """Read the histories of the runs, grouped by combination, best first."""
    histories: dict[Combination, list[pd.DataFrame]] = {}
    for folder in folders:
        metrics: Metrics = read_json(folder / trainer / "metrics.json")
        history = pd.read_csv(folder / trainer / "history.csv")
        histories.setdefault(Combination.of(metrics), []).append(history)
    return [
        Curve.of(combination, histories[combination], row["diverged"])
        for row in selection["ranking"]
        for combination in [Combination.of(row)]
    ]


if __name__ == "__main__":
    run_stage(main, Options, run_files=("history.csv",))
