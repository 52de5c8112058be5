"""Rank the combinations by their validation metrics and copy the selected model."""

import hashlib
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from handgrad.errors import HandgradError
from handgrad.evaluation.selection import Candidate, Run, decided_by, neighbours, rank, same_steady_steps
from handgrad.evaluation.significance import (
    accuracy_interval,
    holm,
    paired_interval,
    paired_test,
    variances,
)
from handgrad.hyperparameters import HYPERPARAMETERS, Combination, named_in, value_text
from handgrad.records.comparison import Comparison
from handgrad.records.metrics import Metrics
from handgrad.records.selection import Pair, Row, RunnerUp, Selection, StandardErrors
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, replacing, write_json, write_text


@dataclass(frozen=True)
class Options:
    run_folders: Annotated[list[Path], "in the order of the config"]
    trainer: Annotated[str, "whose figures and model are taken"]
    trainers: Annotated[list[str], "of which none may have diverged"]
    comparison: Annotated[Path, "that says that the trainers agree"]
    output_selection: Path
    output_leaderboard: Path
    output_model: Path


def main(options: Options) -> None:
    compared: Comparison = read_json(options.comparison)
    trained_by = {
        (Combination.of(run), run["seed"]): list(run["sha256"])
        for run in [*compared["runs"], *compared["others"]]
    }
    if compared["trainers"] != options.trainers or len(trained_by) < len(options.run_folders):
        raise HandgradError(f"{options.comparison}: does not compare these runs; run snakemake again")

    runs = [read_run(folder, options.trainer, trained_by) for folder in options.run_folders]
    if len({len(run.correct) for run in runs}) > 1:
        raise HandgradError("the runs were validated on different images; delete results/runs and run again")
    ranking = rank(runs)
    selected = ranking[0].best_run
    model = (Path(selected.folder) / "model.safetensors").read_bytes()
    names = named_in(candidate.combination for candidate in ranking)
    rows = leaderboard_rows(ranking, names)
    steps = neighbours(ranking)

    with replacing(options.output_model) as temporary:
        temporary.write_bytes(model)
    leaderboard = pd.DataFrame(rows)
    for name in names:
        if HYPERPARAMETERS[name].type is not float:
            leaderboard[name] = leaderboard[name].map(value_text)
    interval = leaderboard.pop("validation_accuracy_interval")
    leaderboard["validation_accuracy_low"], leaderboard["validation_accuracy_high"] = (
        interval.str[0],
        interval.str[1],
    )
    write_text(options.output_leaderboard, leaderboard.to_csv(index=False, lineterminator="\n"))
    selection: Selection = {
        "metric": "validation_accuracy",
        "validation_images": len(selected.correct),
        "combinations": len(ranking),
        "diverged": sum(candidate.diverged for candidate in ranking),
        "trainer": options.trainer,
        "seeds": [run.seed for run in ranking[0].runs],
        "ranking": rows,
        "selected": {
            **selected.combination.settings(names),
            "seed": selected.seed,
            "trainer": options.trainer,
            "run": selected.folder,
            "model_sha256": hashlib.sha256(model).hexdigest(),
            "validation_accuracy": selected.validation_accuracy,
            "validation_loss": selected.validation_loss,
            "training_accuracy": selected.training_accuracy,
            "training_loss": selected.training_loss,
            "decided_by": decided_by(ranking),
        },
        "runner_up": runner_up(ranking, rows, names),
        "steps": {
            name: pairs([step[1:] for step in steps if step[0] == name], names)
            for name in dict.fromkeys(step[0] for step in steps)
        },
        "same_steady_steps": pairs(same_steady_steps(ranking), names),
    }
    write_json(options.output_selection, selection)
    logging.info("selected %s: validation accuracy %.4f", selected.folder, selected.validation_accuracy)


def read_run(folder: Path, trainer: str, trained_by: dict[tuple[Combination, int], list[str]]) -> Run:
    """Read the validation metrics of the run of `trainer` in a folder with one run per trainer."""
    metrics: Metrics = read_json(folder / trainer / "metrics.json")
    trainers = trained_by.get((Combination.of(metrics), metrics["seed"]))
    if trainers is None:
        raise HandgradError(f"{folder}: not a run of comparison.json; run snakemake again")
    predictions = pd.read_csv(folder / trainer / "validation_predictions.csv")
    run = Run(
        combination=Combination.of(metrics),
        seed=metrics["seed"],
        folder=(folder / trainer).as_posix(),
        diverged=any(read_json(folder / name / "metrics.json")["diverged"] for name in trainers),
        training_loss=metrics["training_loss"],
        training_accuracy=metrics["training_accuracy"],
        validation_loss=metrics["validation_loss"],
        correct=(predictions["label"] == predictions["predicted"]).to_numpy(),
        predicted_classes=predictions["predicted"].nunique(),
    )
    recorded = metrics["validation_accuracy"]
    if not run.diverged and (recorded is None or abs(recorded - run.validation_accuracy) > 1e-9):
        raise HandgradError(
            f"{run.folder}: metrics.json says validation accuracy {recorded}, "
            f"validation_predictions.csv {run.validation_accuracy}; delete the folder and run snakemake again"
        )
    return run


def leaderboard_rows(ranking: list[Candidate], names: list[str]) -> list[Row]:
    """Return the rows of the leaderboard, with a column for each of the hyperparameters `names`.

    The p-values, raw and adjusted for multiple testing, are those of the paired comparisons with the selected
    candidate on the same images.
    """
    selected, *others = ranking
    tests = {
        position: paired_test(selected.outcomes, candidate.outcomes)[2]
        for position, candidate in enumerate(others, start=2)
        if not candidate.diverged
    }
    adjusted = dict(zip(tests, holm(list(tests.values())), strict=True))
    return [
        {
            "rank": position,
            **candidate.combination.settings(names),
            "diverged": candidate.diverged,
            "validation_accuracy": candidate.validation_accuracy,
            "validation_accuracy_std": candidate.validation_accuracy_std,
            **standard_errors(candidate),
            "validation_accuracy_interval": accuracy_interval(candidate.outcomes),
            "validation_loss": candidate.validation_loss,
            "training_accuracy": candidate.training_accuracy,
            "training_loss": candidate.training_loss,
            "predicted_classes": candidate.predicted_classes,
            "tied_accuracy_with_selected": position > 1 and candidate.correct == selected.correct,
            "p_value": tests.get(position),
            "p_value_holm": adjusted.get(position),
        }
        for position, candidate in enumerate(ranking, start=1)
    ]


def standard_errors(candidate: Candidate) -> StandardErrors:
    """Return the standard errors of the mean accuracy, by source; None if there is only one seed."""
    if len(candidate.runs) == 1:
        return {"standard_error_seeds": None, "standard_error_images": None}
    variance = variances(candidate.outcomes)
    return {
        "standard_error_seeds": math.sqrt(variance.seeds),
        "standard_error_images": math.sqrt(variance.images),
    }


def runner_up(ranking: list[Candidate], rows: list[Row], names: list[str]) -> RunnerUp | None:
    """Return the second-ranked candidate and the evidence that the first is better; None if there is none."""
    if len(ranking) == 1 or ranking[1].diverged:
        return None
    first, second = ranking[:2]
    only_first, only_second, p_value = paired_test(first.outcomes, second.outcomes)
    adjusted = rows[1]["p_value_holm"]
    assert adjusted is not None
    return {
        **second.combination.settings(names),
        "validation_accuracy": second.validation_accuracy,
        "test": {
            "only_selected_correct": only_first,
            "only_runner_up_correct": only_second,
            "p_value": p_value,
            "p_value_holm": adjusted,
        },
    }


def pairs(compared: Sequence[tuple[Candidate, Candidate]], names: list[str]) -> list[Pair]:
    """Compare candidates image by image; the p-values are adjusted for the number of pairs."""
    tests = [paired_test(before.outcomes, after.outcomes) for before, after in compared]
    adjusted = holm([p_value for *_, p_value in tests])
    return [
        {
            "before": before.combination.settings(names),
            "after": after.combination.settings(names),
            "only_before_correct": only_before,
            "only_after_correct": only_after,
            "difference_interval": paired_interval(before.outcomes, after.outcomes),
            "p_value": p_value,
            "p_value_holm": p_value_holm,
        }
        for (before, after), (only_before, only_after, p_value), p_value_holm in zip(
            compared, tests, adjusted, strict=True
        )
    ]


if __name__ == "__main__":
    run_stage(main, Options, run_files=("metrics.json", "validation_predictions.csv"))
