"""Assemble every number in the report from the files of a run, so that templates compute nothing.

Fractions are between 0 and 1; non-finite values are None.
"""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import fields
from itertools import pairwise
from typing import Any, cast

from handgrad.history import History
from handgrad.hyperparameters import HYPERPARAMETERS, Combination, run_path, shown_in
from handgrad.records.baselines import Baselines
from handgrad.records.comparison import Comparison
from handgrad.records.evaluation import Evaluation
from handgrad.records.facts import Facts
from handgrad.records.gradient_check import AutogradCase, CentralCase, EpsilonSweep, GradientCheck
from handgrad.records.selection import Pair, Row, Selection
from handgrad.records.source import Source
from handgrad.records.summary import Summary
from handgrad.reporting.curves import curves
from handgrad.reporting.statements import OSCILLATION, SIGNIFICANCE, SMALL_CHANGE, SPIKE, statements

Record = dict[str, Any]
# Typical float64 matrix-product throughput of one modern CPU core, in operations per second.
REFERENCE_RATE = 5e10
# The unit roundoff of float64: half the distance from 1.0 to the next larger number.
ROUNDING_UNIT = 2.0**-53
TOP = 10
STEPS_SHOWN = 12
# The report shows the range of the validation accuracy over this many final epochs.
LAST_EPOCHS = 10
COMPLETE = 100
# So many runs are listed with the digests of their parameters.
CERTIFIED = 50


def assemble(
    config: Record,
    source: Source,
    summary: Summary,
    gradient_check: GradientCheck,
    comparison: Comparison,
    selection: Selection,
    baselines: Baselines,
    evaluation: Evaluation,
    histories: Sequence[Record],
    provenance: Record,
) -> Facts:
    """Assemble the facts of a run.

    Args:
        histories: one per combination and seed, in config order, from the trainer whose models are
            selected: `run` (the folder), the hyperparameters, the seed, the columns of history.csv, and
            `first_layer_norm`, the final norm of the first layer's weights.
        provenance: versions, machine, commit and fingerprints; see `provenance.py`.
        others: the config with defaults filled in, and the contents of the files with these names.
    """
    chosen = Combination.of(selection["selected"])
    model = _model(chosen, summary)
    leaderboard = _leaderboard(selection, histories)
    shown = shown_in(Combination.of(row) for row in leaderboard["rows"])
    effects = _effects(selection, leaderboard["rows"], histories, shown)
    facts = {
        "report": config["report"],
        "config": config,
        "data": _data(source, summary),
        "model": model,
        "cost": _cost(comparison, summary, chosen, histories),
        "gradients": _gradients(gradient_check),
        "comparison": _comparison(comparison),
        "selection": {
            key: value
            for key, value in selection.items()
            if key not in ("ranking", "steps", "same_steady_steps")
        },
        "leaderboard": leaderboard,
        "settings": chosen.settings(),
        "hyperparameters": [{"name": name, "label": HYPERPARAMETERS[name].label} for name in shown],
        "effects": effects,
        "steps": _steps(effects),
        "momentum": _speed(effects.get("momentum", [])),
        "same_steady_steps": _same_steady_steps(selection, leaderboard["rows"], shown),
        "shrinkage": _shrinkage(leaderboard["rows"], summary),
        "health": _health([_run(history) for history in histories]),
        "training": _training(histories, selection["selected"]["run"], summary),
        "stopping": _stopping(histories, selection, shown),
        "curves": curves(leaderboard["rows"], _by_combination(histories), shown),
        "evaluation": _evaluation(evaluation),
        "baselines": _baselines(evaluation, baselines),
        "provenance": provenance,
    }
    return cast(Facts, facts | {"statements": statements(facts)})


def difference_interval(
    first: float, first_interval: Sequence[float], second: float, second_interval: Sequence[float]
) -> tuple[float, float]:
    """Return the 95% confidence interval of first - second, two accuracies on different images.

    It is computed from their Wilson intervals by Newcombe's hybrid score method (1998, method 10).
    """
    difference = first - second
    low = math.hypot(first - first_interval[0], second_interval[1] - second)
    high = math.hypot(first_interval[1] - first, second - second_interval[0])
    return difference - low, difference + high


def _data(source: Source, summary: Summary) -> Record:
    splits = summary["splits"]
    classes: list[Record] = [
        {
            "name": name,
            **{split: splits[split]["class_counts"][name] for split in splits},
            "share": splits["train"]["class_counts"][name] / splits["train"]["images"],
        }
        for name in summary["classes"]
    ]
    between = [
        dict(zip(("first", "second"), pair.split("/"), strict=True)) | {"images": images}
        for pair, images in summary["duplicates_between"].items()
    ]
    return {
        "source": source,
        "classes": summary["classes"],
        "images": sum(split["images"] for split in splits.values()),
        "splits": splits,
        "class_counts": classes,
        "largest_class": max(classes, key=lambda entry: entry["train"]),
        "smallest_class": min(classes, key=lambda entry: entry["train"]),
        "blank_images": sum(split["blank"] for split in splits.values()),
        "duplicates_within": sum(split["duplicates"] for split in splits.values()),
        "duplicates_between": between,
        "duplicates_across": sum(pair["images"] for pair in between),
        "normalisation": summary["normalisation"],
        "official_training_images": summary["official_training_images"],
        "official_test_images": summary["official_test_images"],
    }


def _model(combination: Combination, summary: Summary) -> Record:
    """Describe the layers of a combination's network."""
    sizes = [3072, *combination.hidden, len(summary["classes"])]
    layers = [
        {
            "number": number,
            "inputs": inputs,
            "outputs": outputs,
            "activation": combination.activation if number < len(sizes) - 1 else None,
            "weights": inputs * outputs,
            "parameters": inputs * outputs + outputs,
        }
        for number, (inputs, outputs) in enumerate(pairwise(sizes), start=1)
    ]
    return {
        "inputs": sizes[0],
        "outputs": sizes[-1],
        "layers": layers,
        "parameters": sum(layer["parameters"] for layer in layers),
    }


def _cost(
    comparison: Comparison, summary: Summary, chosen: Combination, histories: Sequence[Record]
) -> Record:
    """Return the cost of training the chosen combination, and of all trainings together."""
    # The number of trainers that trained each run: all of them for the compared runs, otherwise one.
    trainers = {(Combination.of(history), history["seed"]): 1 for history in histories}
    trainers |= {
        (Combination.of(run), run["seed"]): len(comparison["trainers"]) for run in comparison["runs"]
    }
    operations = {
        combination: _training_cost(combination, summary)["training"] for combination, _ in trainers
    }
    cost = _training_cost(chosen, summary)
    every = sum(number * operations[combination] for (combination, _), number in trainers.items())
    return {
        **cost,
        "trainings": sum(trainers.values()),
        "all": every,
        "reference_rate": REFERENCE_RATE,
        "epoch_seconds": cost["epoch"] / REFERENCE_RATE,
        "training_seconds": cost["training"] / REFERENCE_RATE,
        "all_seconds": every / REFERENCE_RATE,
        "seconds_by_run": {
            run_path(combination, seed): operations[combination] / REFERENCE_RATE
            for combination, seed in trainers
        },
    }


def _training_cost(combination: Combination, summary: Summary) -> Record:
    """Count the floating-point operations of the matrix products, which dominate; a multiply-add is two."""
    weights = [layer["weights"] for layer in _model(combination, summary)["layers"]]
    forward = 2 * sum(weights)
    # dL/dW of every layer, and dL/da of every layer but the first: the gradient of the images is not needed.
    backward = 2 * sum(weights) + 2 * sum(weights[1:])
    splits = summary["splits"]
    epoch = splits["train"]["images"] * (forward + backward) + splits["validation"]["images"] * forward
    return {
        "forward_per_image": forward,
        "backward_per_image": backward,
        "backward_over_forward": backward / forward,
        "epoch": epoch,
        "updates_per_epoch": math.ceil(splits["train"]["images"] / combination.batch_size),
        "training": epoch * combination.epochs,
    }


def _gradients(check: GradientCheck) -> Record:
    autograd, central = check["autograd"], check["central_differences"]
    every = autograd["checks"]
    return {
        "autograd": {"tolerance": autograd["tolerance"], **_against_autograd(every)},
        "implementations": {
            name: _against_autograd([one for one in every if one["implementation"] == name])
            for name in _different(every, "implementation")
        },
        "central_differences": {
            "epsilon": central["epsilon"],
            "tolerance": central["tolerance"],
            "checks": len(central["checks"]),
            "parameters_checked": sum(one["parameters_checked"] for one in central["checks"]),
            "kinks": sum(one["kinks"] for one in central["checks"]),
            "unmeasurable": sum(one["unmeasurable"] for one in central["checks"]),
            "largest_relative_error": _largest_error(central["checks"]),
        },
        "by_activation": [
            {
                "activation": activation,
                "implementations": {
                    name: _against_autograd(
                        [
                            one
                            for one in every
                            if (one["activation"], one["implementation"]) == (activation, name)
                        ]
                    )
                    for name in _different(every, "implementation")
                },
                "central_error": _largest_error(
                    [one for one in central["checks"] if one["activation"] == activation]
                ),
            }
            for activation in _different(every, "activation")
        ],
        "networks": [list(network) for network in dict.fromkeys(tuple(one["network"]) for one in every)],
        "losses": _different(every, "loss"),
        "batch_sizes": _different(every, "batch_size"),
        "float32_checks": sum(one["dtype"] == "float32" for one in every),
        "epsilon_sweep": _epsilon_sweep(check["epsilon_sweep"]),
        "textbook": check["textbook"],
    }


def _against_autograd(checks: Sequence[AutogradCase]) -> Record:
    return {
        "checks": len(checks),
        "bit_identical": sum(one["bit_identical"] for one in checks),
        "largest_relative_error": _largest_error(checks),
    }


def _largest_error(checks: Sequence[AutogradCase | CentralCase]) -> float | None:
    return max((one["largest_relative_error"] for one in checks), default=None)


def _different(records: Sequence[Mapping[str, Any]], key: str) -> list[Any]:
    """Return the distinct values of a key, in order of first appearance."""
    return list(dict.fromkeys(record[key] for record in records))


def _epsilon_sweep(sweep: EpsilonSweep) -> Record:
    """Return the sweep with its theory: the order of each error, and where rounding starts to dominate."""
    points = sweep["points"]
    return {
        **sweep,
        "forward": sweep["forward"]
        | {"expected_slope": 1, "expected_best_epsilon": ROUNDING_UNIT ** (1 / 2)},
        "central": sweep["central"]
        | {"expected_slope": 2, "expected_best_epsilon": ROUNDING_UNIT ** (1 / 3)},
        "largest_epsilon": max(point["epsilon"] for point in points),
        "smallest_epsilon": min(point["epsilon"] for point in points),
        "central_above_squared_epsilon": sum(point["central"] > point["epsilon"] ** 2 for point in points),
        "rounding_unit": ROUNDING_UNIT,
    }


def _comparison(comparison: Comparison) -> Record:
    runs = comparison["runs"]
    return {
        **{key: value for key, value in comparison.items() if key not in ("runs", "others")},
        "runs": len(runs),
        "others": len(comparison["others"]),
        "epochs": max(Combination.of(run).epochs for run in runs),
        "bit_identical_runs": sum(run["bit_identical"] for run in runs),
        "certificate": _certificate(comparison),
        # The names of submitted trainers are those of a file and of the function that it defines.
        "submitted": [
            {"name": trainer, "our_update": trainer.endswith(".backpropagation")}
            for trainer in comparison["trainers"]
            if "." in trainer
        ],
    }


def _certificate(comparison: Comparison) -> Record:
    """Return the digests of each run's parameters, one per trainer; runs that differ come first."""
    runs = comparison["runs"]
    shown = sorted(runs, key=lambda run: run["bit_identical"])[:CERTIFIED]
    names = shown_in(Combination.of(run) for run in shown)
    return {
        "names": names,
        "several_seeds": len({run["seed"] for run in runs}) > 1,
        "runs": [
            dict(Combination.of(run).settings(names))
            | {
                "seed": run["seed"],
                "digests": [run["digests"][trainer] for trainer in comparison["trainers"]],
                "first_different_epoch": run["first_different_epoch"],
                "loss_difference": run["loss_difference"],
                "parameter_difference": run["parameter_difference"],
            }
            for run in shown
        ],
    }


def _leaderboard(selection: Selection, histories: Sequence[Record]) -> Record:
    by_combination = _by_combination(histories)
    rows: list[Record] = []
    for row in selection["ranking"]:
        own = by_combination[Combination.of(row)]
        training = row["training_accuracy"]
        gap = None if training is None else training - row["validation_accuracy"]
        collapsed = row["predicted_classes"] == 1 and not row["diverged"]
        course = None if row["diverged"] else _course(own)
        rows.append(
            {
                **row,
                "selected": row["rank"] == 1,
                "collapsed": collapsed,
                "gap": gap,
                "course": course,
                "seeds_share": _seeds_share(row),
                "first_layer_norm": own[0]["first_layer_norm"],
            }
        )
    finished = [row for row in rows if row["course"]]
    courses = [row["course"] for row in finished]
    return {
        "rows": rows,
        "top": min(TOP, len(rows)),
        "steps_shown": STEPS_SHOWN,
        "largest_lr": max(row["lr"] for row in rows),
        "complete": len(rows) <= COMPLETE,
        "collapsed": [row for row in rows if row["collapsed"]],
        "diverged": [row for row in rows if row["diverged"]],
        "not_told_apart": sum(
            row["p_value_holm"] is not None and row["p_value_holm"] >= SIGNIFICANCE for row in rows
        ),
        "last_epochs": min(LAST_EPOCHS, courses[0]["epochs"]),
        "spikes": sum(course["largest_rise"]["ratio"] > 1 + SPIKE for course in courses),
        "largest_rise": max(finished, key=lambda row: row["course"]["largest_rise"]["ratio"]),
        "oscillating": sum(_oscillation(course) > OSCILLATION for course in courses),
        "most_oscillating": max(finished, key=lambda row: _oscillation(row["course"])),
        "equal_to_selected": sum(row["tied_accuracy_with_selected"] and not row["diverged"] for row in rows),
    }


def _seeds_share(row: Row) -> float | None:
    """Return the part of the variance of the mean accuracy that is due to the seeds; None if there is one."""
    seeds, images = row["standard_error_seeds"], row["standard_error_images"]
    if seeds is None or images is None:
        return None
    total = seeds**2 + images**2
    return seeds**2 / total if total else 0.0


def _course(histories: Sequence[Record]) -> Record:
    """Summarise the training of a combination that did not diverge, as means over its seeds.

    `largest_rise` is the epoch with the largest ratio of training loss to that of the previous epoch.
    """
    losses = _means(histories, "training_loss")
    validation = _means(histories, "validation_loss")
    last = _means(histories, "validation_accuracy")[-LAST_EPOCHS:]
    rises = [
        (after / before if before else 1.0, epoch)
        for epoch, (before, after) in enumerate(pairwise(losses), 2)
    ]
    ratio, epoch = max(rises, default=(1.0, 1))
    return {
        "epochs": len(losses),
        "lowest_training_loss": min(losses),
        "lowest_training_loss_epoch": 1 + losses.index(min(losses)),
        "last_training_loss": losses[-1],
        "lowest_validation_loss": min(validation),
        "lowest_validation_loss_epoch": 1 + validation.index(min(validation)),
        "last_accuracies": [min(last), max(last)],
        "rises": sum(after > (1 + SMALL_CHANGE) * before for before, after in pairwise(losses)),
        "falls": sum(after < (1 - SMALL_CHANGE) * before for before, after in pairwise(losses)),
        "largest_rise": {
            "ratio": ratio,
            "epoch": epoch,
            "before": losses[max(0, epoch - 2)],
            "after": losses[epoch - 1],
        },
    }


def _oscillation(course: Record) -> float:
    """The part of the epochs in which the training loss rose, or, if that is less often, in which it fell."""
    return float(min(course["rises"], course["falls"]) / course["epochs"])


def _by_combination(histories: Sequence[Record]) -> dict[Combination, list[Record]]:
    """Group the histories by combination, with all of its seeds."""
    groups: dict[Combination, list[Record]] = {}
    for history in histories:
        groups.setdefault(Combination.of(history), []).append(history)
    return groups


def _means(histories: Sequence[Record], column: str) -> list[float]:
    return [math.fsum(values) / len(values) for values in zip(*(h[column] for h in histories), strict=True)]


def _effects(
    selection: Selection, rows: Sequence[Record], histories: Sequence[Record], names: Sequence[str]
) -> Record:
    """Return the effects of steps to the next value of each hyperparameter, others equal, largest first."""
    runs = _by_combination(histories)
    by_combination = {Combination.of(row): row for row in rows}
    return {
        name: sorted(
            (
                _effect(
                    name,
                    [other for other in names if other != name],
                    by_combination[Combination.of(pair["before"])],
                    by_combination[Combination.of(pair["after"])],
                    pair,
                    _means(runs[Combination.of(pair["after"])], "training_loss"),
                )
                for pair in selection["steps"].get(name, [])
            ),
            key=lambda step: -abs(step["difference"]),
        )
        for name in names
    }


def _effect(
    name: str, others: Sequence[str], before: Record, after: Record, pair: Pair, losses: Sequence[float]
) -> Record:
    """Return the effect of a hyperparameter step, given the training losses of the combination after it.

    `target` is the lowest training loss of the combination before the step; `epochs_from` and `epochs_to` are
    the epochs in which the two combinations reached it.
    """
    target = before["course"]["lowest_training_loss"]
    epochs = [number for number, loss in enumerate(losses, 1) if loss <= target]
    return {
        **_difference_of(before, after, pair),
        "parameter": name,
        "from": before[name],
        "to": after[name],
        "others": {other: before[other] for other in others},
        "collapsed": before["collapsed"] or after["collapsed"],
        "gap_from": before["gap"],
        "gap_to": after["gap"],
        "target": target,
        "epochs_from": before["course"]["lowest_training_loss_epoch"],
        "epochs_to": epochs[0] if epochs else None,
        "best_epoch_from": before["course"]["lowest_validation_loss_epoch"],
        "best_epoch_to": after["course"]["lowest_validation_loss_epoch"],
    }


def _difference_of(before: Record, after: Record, pair: Pair) -> Record:
    return {
        "accuracy_from": before["validation_accuracy"],
        "accuracy_to": after["validation_accuracy"],
        "difference": after["validation_accuracy"] - before["validation_accuracy"],
        "difference_interval": pair["difference_interval"],
        "p_value_holm": pair["p_value_holm"],
        "significant": pair["p_value_holm"] < SIGNIFICANCE,
    }


def _steps(effects: Record) -> Record:
    """Count the steps of all hyperparameters; `largest` changed the validation accuracy the most."""
    steps = [step for steps in effects.values() for step in steps]
    return {
        "steps": len(steps),
        "significant": sum(step["significant"] for step in steps),
        "largest": max(steps, key=lambda step: abs(step["difference"]), default=None),
    }


def _speed(steps: Sequence[Record]) -> Record:
    """Count the momentum steps that reached the target sooner; `best` is the one that saved most epochs."""
    sooner = [step for step in steps if step["epochs_to"] and step["epochs_to"] < step["epochs_from"]]
    return {
        "steps": len(steps),
        "sooner": len(sooner),
        "best": max(sooner, key=lambda step: step["epochs_from"] - step["epochs_to"], default=None),
    }


def _same_steady_steps(selection: Selection, rows: Sequence[Record], names: Sequence[str]) -> list[Record]:
    """Return the pairs with and without momentum whose updates are equally large for a constant gradient."""
    by_combination = {Combination.of(row): row for row in rows}
    pairs = []
    for pair in selection["same_steady_steps"]:
        before, after = (by_combination[Combination.of(pair[key])] for key in ("before", "after"))
        settings = {
            key: {name: row[name] for name in names} for key, row in (("before", before), ("after", after))
        }
        pairs.append(settings | _difference_of(before, after, pair))
    return pairs


def _shrinkage(rows: Sequence[Record], summary: Summary) -> list[Record]:
    """Predict the effect of weight decay alone on the first layers that collapsed without momentum.

    The weights of a layer with n inputs are initialised uniformly between -1/sqrt(n) and 1/sqrt(n), with
    variance 1 / (3n), so their expected norm is sqrt(outputs / 3).
    """
    shrinkage = []
    for row in rows:
        if row["collapsed"] and row["momentum"] == 0 and row["weight_decay"] > 0:
            combination = Combination.of(row)
            updates = combination.epochs * _training_cost(combination, summary)["updates_per_epoch"]
            factor = abs(1 - row["lr"] * row["weight_decay"]) ** updates
            outputs = _model(combination, summary)["layers"][0]["outputs"]
            initial = math.sqrt(outputs / 3)
            shrinkage.append(
                {
                    "lr": row["lr"],
                    "weight_decay": row["weight_decay"],
                    "updates": updates,
                    "factor": factor,
                    "initial_norm": initial,
                    "expected_norm": initial * factor,
                    "norm": row["first_layer_norm"],
                }
            )
    return shrinkage


def _run(history: Record) -> Record:
    """Summarise the history of a training for diagnosis."""
    losses = history["training_loss"]
    validation = [loss for loss in history["validation_loss"] if loss is not None]
    lowest = min(validation, default=None)
    return {
        "run": history["run"],
        **Combination.of(history).named(),
        "seed": history["seed"],
        "epochs": len(losses),
        "diverged_epoch": next((epoch for epoch, loss in enumerate(losses, 1) if loss is None), None),
        "first_training_loss": losses[0],
        "last_training_loss": losses[-1],
        "first_validation_loss": history["validation_loss"][0],
        "last_validation_loss": history["validation_loss"][-1],
        "lowest_validation_loss": lowest,
        "lowest_validation_loss_epoch": None
        if lowest is None
        else 1 + history["validation_loss"].index(lowest),
        "different_training_losses": len(set(losses)),
    }


def _health(runs: Sequence[Record]) -> Record:
    """Count the trainings with symptoms of failure."""
    finished = [run for run in runs if run["diverged_epoch"] is None]
    return {
        "runs": len(runs),
        "diverged": len(runs) - len(finished),
        "constant_losses": sum(
            run["epochs"] > 1 and run["different_training_losses"] == 1 for run in finished
        ),
        "risen_losses": sum(run["last_training_loss"] > run["first_training_loss"] for run in finished),
    }


def _training(histories: Sequence[Record], selected: str, summary: Summary) -> Record:
    """Diagnose the selected training; `uniform_loss` is the loss of predicting all classes equally likely."""
    history = next(history for history in histories if history["run"] == selected)
    losses = history["training_loss"]
    window = max(1, len(losses) // 10)
    earlier = losses[-1 - window] if len(losses) > window else None
    run = _run(history)
    return run | {
        "uniform_loss": math.log(len(summary["classes"])),
        "window": window,
        "oscillation": _oscillation(_course([history])),
        "recent_decrease": 1 - losses[-1] / earlier if earlier else None,
        "rise_of_validation_loss": run["last_validation_loss"] / run["lowest_validation_loss"] - 1
        if run["lowest_validation_loss"]
        else None,
    }


def _stopping(histories: Sequence[Record], selection: Selection, names: Sequence[str]) -> Record:
    """Return what stopping each training after its best epoch would have changed, or has changed.

    `selected` is the combination with the best mean validation accuracy over its seeds at those epochs.
    """
    chosen = next(history for history in histories if history["run"] == selection["selected"]["run"])
    course = _history(chosen)
    best_epoch = course.best_epoch
    diverged = {Combination.of(row) for row in selection["ranking"] if row["diverged"]}
    accuracies = {
        combination: _mean_best_accuracy(group)
        for combination, group in _by_combination(histories).items()
        if combination not in diverged
    }
    # In the order of the ranking, so that a tie stays with the combination that is selected now.
    order = [one for row in selection["ranking"] if (one := Combination.of(row)) in accuracies]
    selected = max(order, key=accuracies.__getitem__)
    assert best_epoch is not None
    return {
        "epochs": course.epochs,
        "best_epoch": best_epoch,
        "best_accuracy": course.validation_accuracy[best_epoch - 1],
        "best_loss": course.validation_loss[best_epoch - 1],
        "last_accuracy": course.validation_accuracy[-1],
        "last_loss": course.validation_loss[-1],
        "gain": course.validation_accuracy[best_epoch - 1] - course.validation_accuracy[-1],
        "selected": selected.settings(names),
        "selected_accuracy": accuracies[selected],
        "same_selection": selected == Combination.of(selection["selected"]),
    }


def _mean_best_accuracy(histories: Sequence[Record]) -> float:
    courses = [_history(history) for history in histories]
    return statistics.fmean(course.validation_accuracy[(course.best_epoch or 0) - 1] for course in courses)


def _history(history: Record) -> History:
    """The history of a run, with NaN for values that are not finite."""
    return History(
        **{
            column.name: [math.nan if value is None else value for value in history[column.name]]
            for column in fields(History)
        }
    )


def _evaluation(evaluation: Evaluation) -> Record:
    classes = evaluation["classes"]
    per_class = sorted(evaluation["per_class"], key=lambda entry: entry["recall"])
    matrix = evaluation["confusion_matrix"]
    confusions: list[Record] = [
        {"true": classes[row], "predicted": classes[column], "images": matrix[row][column]}
        for row in range(len(classes))
        for column in range(len(classes))
        if row != column
    ]
    bins = [entry for entry in evaluation["calibration"]["bins"] if entry["images"]]
    confidence = sum(entry["images"] * entry["confidence"] for entry in bins) / evaluation["images"]
    errors = sum(entry["images"] for entry in confusions)
    return {
        **{key: value for key, value in evaluation.items() if key not in ("baselines", "mcnemar_baseline")},
        "errors": errors,
        "images_per_error": evaluation["images"] / errors if errors else None,
        "worst_class": per_class[0],
        "best_class": per_class[-1],
        "most_common_confusion": max(confusions, key=lambda entry: entry["images"]),
        "mean_confidence": confidence,
        "overconfidence": confidence - evaluation["accuracy"],
        "recall_difference_interval": difference_interval(
            *(per_class[-1]["recall"], per_class[-1]["recall_interval"]),
            *(per_class[0]["recall"], per_class[0]["recall_interval"]),
        ),
        "least_confident_bin": bins[0],
        "most_confident_bin": bins[-1] | {"share": bins[-1]["images"] / evaluation["images"]},
        "most_confident_bin_errors": round(bins[-1]["images"] * (1 - bins[-1]["accuracy"])),
        "gap": evaluation["training_accuracy"] - evaluation["validation_accuracy"],
        "gap_interval": _difference(evaluation, "training_", "validation_"),
        "validation_to_test": evaluation["accuracy"] - evaluation["validation_accuracy"],
        "validation_to_test_interval": _difference(evaluation, "", "validation_"),
    }


def _difference(evaluation: Mapping[str, Any], first: str, second: str) -> tuple[float, float]:
    return difference_interval(
        evaluation[f"{first}accuracy"],
        evaluation[f"{first}accuracy_interval"],
        evaluation[f"{second}accuracy"],
        evaluation[f"{second}accuracy_interval"],
    )


def _baselines(evaluation: Evaluation, baselines: Baselines) -> Record:
    test = evaluation["baselines"]
    linear = test["logistic_regression"]
    return {
        "random": {"accuracy": test["random"]["accuracy"]},
        "majority": {
            **{key: test["majority"][key] for key in ("class", "accuracy", "accuracy_interval")},
            "validation_accuracy": baselines["majority"]["validation_accuracy"],
        },
        "logistic_regression": linear | baselines["logistic_regression"],
        "mcnemar": evaluation["mcnemar_baseline"],
        "gain": evaluation["accuracy"] - linear["accuracy"],
    }
