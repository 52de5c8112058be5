"""Every conditional sentence of the report, compared with a plain recomputation from the raw files.

`SENTENCES` states, for a text of each branch of the templates, when the report must have it. Conditions are
computed from the contents of the stages' files, without `facts.py` and `statements.py`.
"""

import json
import math
import re
from functools import cache
from itertools import pairwise

import pytest
from helpers.outcomes import OUTCOMES, raw
from helpers.projects import ROOT
from helpers.rendering import BIBLIOGRAPHY, TEMPLATES
from jinja2 import Environment, nodes

from handgrad.reporting.composing import compose
from handgrad.reporting.facts import assemble

pytestmark = pytest.mark.slow  # a hundred reports
HYPERPARAMETERS = ("lr", "weight_decay", "momentum")
SETTINGS = (*HYPERPARAMETERS, "dampening", "nesterov", "batch_size", "epochs", "hidden", "activation")


# Quantities computed from the files.


def seeds(r):
    return len(r["selection"]["seeds"])


def trainers(r):
    return r["comparison"]["trainers"]


def runs(r):
    return len(r["comparison"]["runs"])


def identical(r):
    return all(run["bit_identical"] for run in r["comparison"]["runs"])


def ranking(r):
    return r["selection"]["ranking"]


def diverged(r):
    return [row for row in ranking(r) if row["diverged"]]


def finished(r):
    return [row for row in ranking(r) if not row["diverged"]]


def collapsed(r):
    return [row for row in finished(r) if row["predicted_classes"] == 1]


def learnt(r):
    return [row for row in finished(r) if row["predicted_classes"] > 1]


def above(rows, others, name):
    """Whether the rows have larger values than all others for this hyperparameter, and for no other one."""

    def is_above(key):
        return bool(rows and others) and min(row[key] for row in rows) > max(row[key] for row in others)

    return [key for key in HYPERPARAMETERS if is_above(key)] == [name]


def single(r):
    return len(ranking(r)) == 1


def lone(r):
    return len(ranking(r)) > 1 and len(finished(r)) == 1


def choice(r):
    return len(finished(r)) > 1


def runner_up_p(r):
    return r["selection"]["runner_up"]["test"]["p_value_holm"]


def kept_best(r):
    return r["config"]["training"]["keep"] == "best"


def best_epoch(run):
    """The epoch with the highest validation accuracy, then the lowest loss, of a history."""
    columns = zip(run["training_loss"], run["validation_loss"], run["validation_accuracy"], strict=True)
    merits = {
        epoch: (accuracy, -loss)
        for epoch, (training, loss, accuracy) in enumerate(columns, start=1)
        if training is not None and loss is not None
    }
    return max(merits, key=merits.get, default=0)


def last_is_best(r):
    (run,) = (run for run in r["histories"] if run["run"] == r["selection"]["selected"]["run"])
    return best_epoch(run) == len(run["training_loss"])


def changes_selection(r):
    means = []
    for row in finished(r):
        runs = [run for run in r["histories"] if all(run.get(name) == row.get(name) for name in SETTINGS)]
        means.append(sum(run["validation_accuracy"][best_epoch(run) - 1] for run in runs) / len(runs))
    return max(means) > means[0] + 1e-12


def by_seeds(r):
    """The standard error of the selected combination's accuracy that is due to the seeds."""
    return ranking(r)[0]["standard_error_seeds"]


def by_images(r):
    return ranking(r)[0]["standard_error_images"]


def undecided(r):
    return choice(r) and runner_up_p(r) >= 0.05


def tied_first(r):
    accuracies = [row["validation_accuracy"] for row in finished(r)]
    return accuracies.count(accuracies[0]) > 1


def newcombe(first, first_interval, second, second_interval):
    """The 95% interval for the difference of two independent proportions (Newcombe, 1998, method 10)."""
    low = math.sqrt((first - first_interval[0]) ** 2 + (second_interval[1] - second) ** 2)
    high = math.sqrt((first_interval[1] - first) ** 2 + (second - second_interval[0]) ** 2)
    return first - second - low, first - second + high


def gap(r):
    e = r["evaluation"]
    return newcombe(
        e["training_accuracy"],
        e["training_accuracy_interval"],
        e["validation_accuracy"],
        e["validation_accuracy_interval"],
    )


def to_test(r):
    e = r["evaluation"]
    return newcombe(
        e["accuracy"],
        e["accuracy_interval"],
        e["validation_accuracy"],
        e["validation_accuracy_interval"],
    )


def history(r):
    return next(row for row in r["histories"] if row["run"] == r["selection"]["selected"]["run"])


def turned(r):
    losses = history(r)["validation_loss"]
    return losses[-1] > 1.05 * min(losses)


def overfits(r):
    return gap(r)[0] > 0


def overfits_by_loss(r):
    return turned(r) and not overfits(r)


def linear(r):
    return r["baselines"]["logistic_regression"]["training_accuracy"]


def underfits(r):
    low, high = r["evaluation"]["training_accuracy_interval"]
    return low <= linear(r) and high < 0.99


def recent(r):
    """The relative decrease of the training loss over the last tenth of the epochs; None if too few."""
    losses = history(r)["training_loss"]
    window = max(1, len(losses) // 10)
    return (losses[-1 - window] - losses[-1]) / losses[-1 - window] if len(losses) > window else None


def fell(r):
    return recent(r) is not None and recent(r) > 0.01


def rose(r):
    return recent(r) is not None and recent(r) < -0.01


def level(r):
    return recent(r) is not None and -0.01 <= recent(r) <= 0.01


def epochs(r):
    return len(history(r)["training_loss"])


def constant(r):
    return epochs(r) > 1 and len(set(history(r)["training_loss"])) == 1


def rose_in_all(r):
    losses = history(r)["training_loss"]
    return losses[-1] > losses[0]


def unhealthy(r):
    runs = [row["training_loss"] for row in r["histories"]]
    ended = [losses for losses in runs if None not in losses]
    return (
        len(ended) < len(runs)
        or any(len(losses) > 1 and len(set(losses)) == 1 for losses in ended)
        or any(losses[-1] > losses[0] for losses in ended)
        or bool(collapsed(r))
    )


def steps(r, name):
    """The rows of the leaderboard before and after each step of a hyperparameter, and their comparison."""

    def row(settings):
        return next(one for one in ranking(r) if all(one[key] == settings[key] for key in settings))

    return [(row(pair["before"]), row(pair["after"]), pair) for pair in r["selection"]["steps"].get(name, [])]


def significant(r, name):
    """Whether the largest step of a hyperparameter is significant; None if there is no step."""
    found = steps(r, name)
    if not found:
        return None
    *_, pair = max(
        found, key=lambda step: abs(step[1]["validation_accuracy"] - step[0]["validation_accuracy"])
    )
    return pair["p_value_holm"] < 0.05


def some_significance(r, wanted):
    return any(significant(r, name) is wanted for name in HYPERPARAMETERS)


def losses(r, row):
    """The training losses of a row of the leaderboard, averaged over its seeds."""
    runs = [
        run["training_loss"]
        for run in r["histories"]
        if all(run[name] == row[name] for name in HYPERPARAMETERS)
    ]
    return [sum(values) / len(values) for values in zip(*runs, strict=True)]


def sooner(r):
    """Whether some step of momentum reached the previous lowest training loss in fewer epochs."""
    for before, after, _ in steps(r, "momentum"):
        lowest = min(losses(r, before))
        epoch = losses(r, before).index(lowest)
        if any(loss <= lowest for loss in losses(r, after)[:epoch]):
            return True
    return False


def spikes(r):
    return any(after > 1.25 * before for row in finished(r) for before, after in pairwise(losses(r, row)))


def oscillate(values):
    """Whether losses rise by over 1% in more than a fifth of the epochs, and fall as often."""
    changes = [after / before for before, after in pairwise(values) if before]
    counts = sum(change > 1.01 for change in changes), sum(change < 0.99 for change in changes)
    return min(counts) > len(values) / 5


def oscillates(r):
    return any(oscillate(losses(r, row)) for row in finished(r))


def selected_oscillates(r):
    return oscillate(history(r)["training_loss"])


def shrunk(r):
    """For each combination that collapsed without momentum, whether weight decay alone explains its norm."""
    images = r["summary"]["splits"]["train"]["images"]
    result = []
    for row in collapsed(r):
        if row["momentum"] == 0 and row["weight_decay"] > 0:
            updates = row.get("epochs", 50) * math.ceil(images / row.get("batch_size", 256))
            first_layer = row.get("hidden", [512])[0]
            run = next(run for run in r["histories"] if all(run[n] == row[n] for n in HYPERPARAMETERS))
            expected = math.sqrt(first_layer / 3) * (1 - row["lr"] * row["weight_decay"]) ** updates
            result.append(0.9 <= run["first_layer_norm"] / expected <= 1.1)
    return result


def steady(r):
    return r["selection"]["same_steady_steps"]


def one_class(r):
    matrix = r["evaluation"]["confusion_matrix"]
    return sum(any(column) for column in zip(*matrix, strict=True)) == 1


def errors(r):
    matrix = r["evaluation"]["confusion_matrix"]
    return sum(sum(line) for line in matrix) - sum(matrix[i][i] for i in range(len(matrix)))


def baseline(r, name):
    return r["evaluation"]["baselines"][name]["accuracy"]


def low(r):
    return r["evaluation"]["accuracy_interval"][0]


def beats_chance(r):
    return low(r) > baseline(r, "random")


def beats_majority(r):
    return low(r) > baseline(r, "majority")


def mcnemar_p(r):
    return r["evaluation"]["mcnemar_baseline"]["p_value"]


def gain(r):
    return r["evaluation"]["accuracy"] - baseline(r, "logistic_regression")


def beats_linear(r):
    return mcnemar_p(r) < 0.05 and gain(r) > 0


def loses_to_linear(r):
    return mcnemar_p(r) < 0.05 and gain(r) < 0


def useful(r):
    return (
        not r["source"]["stand_in"]
        and not one_class(r)
        and beats_chance(r)
        and beats_majority(r)
        and beats_linear(r)
    )


def guess(r):
    return one_class(r) or not beats_chance(r)


def bins(r):
    return [one for one in r["evaluation"]["calibration"]["bins"] if one["images"]]


def confidence(r):
    return sum(one["images"] * one["confidence"] for one in bins(r)) / r["evaluation"]["images"]


def over(r):
    return confidence(r) > r["evaluation"]["accuracy_interval"][1]


def under(r):
    return confidence(r) < r["evaluation"]["accuracy_interval"][0]


def calibration_error(r):
    return r["evaluation"]["calibration"]["expected_calibration_error"]


def classes_differ(r):
    entries = sorted(r["evaluation"]["per_class"], key=lambda entry: entry["recall"])
    worst, best = entries[0], entries[-1]
    interval = newcombe(best["recall"], best["recall_interval"], worst["recall"], worst["recall_interval"])
    return interval[0] > 0


def stand_in(r):
    return r["source"]["stand_in"]


def official(r):
    return r["source"]["official"]


def across(r):
    return sum(r["summary"]["duplicates_between"].values())


def blank(r):
    return sum(split["blank"] for split in r["summary"]["splits"].values())


def repeated(r):
    return sum(split["duplicates"] for split in r["summary"]["splits"].values())


def balanced(r):
    counts = r["summary"]["splits"]["train"]["class_counts"].values()
    return max(counts) <= 1.2 * min(counts)


def checks(r):
    return r["gradient_check"]["autograd"]["checks"]


def slopes(r):
    sweep = r["gradient_check"]["epsilon_sweep"]
    return abs(sweep["forward"]["slope"] - 1) < 0.1 and abs(sweep["central"]["slope"] - 2) < 0.1


def breaks_square(r):
    return any(
        point["central"] > point["epsilon"] ** 2 for point in r["gradient_check"]["epsilon_sweep"]["points"]
    )


def git(r):
    return r["provenance"]["git"]


def lrs(r):
    return {row["lr"] for row in ranking(r)}


def at_largest(r):
    return len(lrs(r)) > 1 and ranking(r)[0]["lr"] == max(lrs(r))


def at_smallest(r):
    return len(lrs(r)) > 1 and ranking(r)[0]["lr"] == min(lrs(r))


def long(r):
    return len(ranking(r)) > 10


def printed(r):
    return len(ranking(r)) <= 100


def shortened(r):
    """Whether the trainers were compared over fewer epochs than the selected combination was trained for."""
    compared = max(run.get("epochs", 50) for run in r["comparison"]["runs"])
    return compared < ranking(r)[0].get("epochs", 50)


def several(r):
    return len(trainers(r)) > 1


# A text from each branch, and when the report contains it.
SENTENCES = {
    # (a), (b), (c)
    "gradients by hand equal those of PyTorch **to the last bit**": lambda r: all(
        c["bit_identical"] for c in checks(r)
    ),
    "That is rounding: some derivatives": lambda r: not all(c["bit_identical"] for c in checks(r)),
    "of them are in `float32`": lambda r: any(c["dtype"] == "float32" for c in checks(r)),
    "an activation has a kink": lambda r: any(
        c["kinks"] for c in r["gradient_check"]["central_differences"]["checks"]
    ),
    "rounding leaves fewer digits": lambda r: any(
        c["unmeasurable"] for c in r["gradient_check"]["central_differences"]["checks"]
    ),
    "the gradient is right": slopes,
    "Theory predicts": lambda r: not slopes(r),
    "this correct gradient breaks it": breaks_square,
    "the update by hand was not compared": lambda r: "train" not in trainers(r) or not several(r),
    "the parameters of both are equal to the last bit": lambda r: (
        "train" in trainers(r) and several(r) and identical(r)
    ),
    "the parameters differ by at most": lambda r: "train" in trainers(r) and several(r) and not identical(r),
    # (d), (e)
    "between combinations that differ in momentum alone": lambda r: bool(steps(r, "momentum")),
    "No two combinations of this run differ in momentum alone": lambda r: not steps(r, "momentum"),
    "The largest change is": lambda r: significant(r, "momentum") is True,
    "The two combinations of the largest change": lambda r: significant(r, "momentum") is False,
    "so the run does not show where too much begins": lambda r: not learnt(r),
    "**This run shows too much of it:**": lambda r: (
        above(collapsed(r), learnt(r), "weight_decay") and bool(learnt(r))
    ),
    "Weight decay alone does not set them apart": lambda r: (
        bool(collapsed(r)) and bool(learnt(r)) and not above(collapsed(r), learnt(r), "weight_decay")
    ),
    "between combinations that differ in weight decay alone": lambda r: bool(steps(r, "weight_decay")),
    "No two combinations of this run differ in weight decay alone": lambda r: not steps(r, "weight_decay"),
    "more momentum reached that loss sooner. The clearest": sooner,
    "In no step did more momentum": lambda r: bool(steps(r, "momentum")) and not sooner(r),
    "Losses are means over the seeds.": lambda r: bool(steps(r, "momentum")) and seeds(r) > 1,
    "this and the next table show": lambda r: len(steps(r, "momentum")) > 12,
    "the table shows those that changed accuracy the most": lambda r: len(steps(r, "weight_decay")) > 12,
    "**Is momentum just a higher learning rate?**": lambda r: bool(steady(r)),
    "How far decay alone goes can be worked out.": lambda r: bool(shrunk(r)),
    "The decay explains the collapse": lambda r: bool(shrunk(r)) and all(shrunk(r)),
    "The norms differ": lambda r: not all(shrunk(r)),
    # (f)
    "Each was trained with": lambda r: seeds(r) > 1,
    "All other combinations have a lower learning rate": lambda r: above(diverged(r), finished(r), "lr"),
    "All other combinations have less weight decay": lambda r: above(
        diverged(r), finished(r), "weight_decay"
    ),
    "The best § of § combinations.": long,
    "All combinations, best first.": lambda r: not long(r),
    "after ± stands the standard deviation": lambda r: seeds(r) > 1,
    "There is only one.": single,
    "All but one diverged.": lone,
    "with Holm's correction, does not distinguish": lambda r: (
        choice(r) and any(row["p_value_holm"] >= 0.05 for row in finished(r)[1:])
    ),
    "distinguishes every other from the selected one": lambda r: (
        choice(r) and all(row["p_value_holm"] < 0.05 for row in finished(r)[1:])
    ),
    "There was no choice: **§**. Its": single,
    "is the only combination that did not diverge": lone,
    "with a validation accuracy of": choice,
    "No other combination has a validation accuracy as high.": lambda r: choice(r) and not tied_first(r),
    "the lower validation loss decided": lambda r: (
        choice(r) and r["selection"]["selected"]["decided_by"] == "validation_loss"
    ),
    "the order in the config decided": lambda r: (
        choice(r) and r["selection"]["selected"]["decided_by"] == "config_order"
    ),
    "Counted over the seeds": lambda r: choice(r) and seeds(r) > 1,
    "only the selected combination is right": lambda r: choice(r) and seeds(r) == 1,
    "distinguished**: another draw of validation images could have": lambda r: undecided(r) and seeds(r) == 1,
    "other seeds or another draw of validation images could have": lambda r: undecided(r) and seeds(r) > 1,
    "The difference is more than the draw of the validation images explains": lambda r: (
        choice(r) and not undecided(r) and seeds(r) == 1
    ),
    "The difference is more than the draw of seeds and validation images explains": lambda r: (
        choice(r) and not undecided(r) and seeds(r) > 1
    ),
    "its model is the one we evaluate": lambda r: seeds(r) > 1,
    "Grey bars extend one standard deviation": lambda r: seeds(r) > 1,
    "tells the two apart": lambda r: seeds(r) > 1,
    "more seeds would narrow its interval the most": lambda r: seeds(r) > 1 and by_seeds(r) > by_images(r),
    "more seeds alone would narrow its interval little": lambda r: (
        seeds(r) > 1 and by_seeds(r) <= by_images(r)
    ),
    "One column holds everything": one_class,
    "There are no errors.": lambda r: errors(r) == 0,
    "The most common confusion is": lambda r: errors(r) > 0 and not one_class(r),
    "An empty figure: no test image was misclassified.": lambda r: errors(r) == 0,
    "Misclassified test images by true and predicted class, the most": lambda r: errors(r) > 0,
    "No test image was misclassified.": lambda r: errors(r) == 0,
    "the most common kinds of error, one a row": lambda r: errors(r) > 0,
    "It is **overconfident**": over,
    "It is **underconfident**": under,
    "It is well calibrated": lambda r: not over(r) and not under(r) and calibration_error(r) <= 0.05,
    "agree, but averaged over the ranges": lambda r: (
        not over(r) and not under(r) and calibration_error(r) > 0.05
    ),
    # (g)
    "No. The selected model predicts": one_class,
    "We cannot say so": lambda r: not one_class(r) and not beats_chance(r),
    "Yes: its test accuracy is": lambda r: not one_class(r) and beats_chance(r) and beats_majority(r),
    "It does better than a random guess": lambda r: (
        not one_class(r) and beats_chance(r) and not beats_majority(r)
    ),
    "a linear model?** Yes.": beats_linear,
    "No, it is worse.": loses_to_linear,
    "That is not shown.": lambda r: mcnemar_p(r) >= 0.05 or gain(r) == 0,
    "That drop is more than": lambda r: to_test(r)[1] < 0,
    "That rise is more than": lambda r: to_test(r)[0] > 0,
    "The draw of the images could explain that.": lambda r: to_test(r)[0] <= 0 <= to_test(r)[1],
    "tends to be a lucky one": choice,
    "It overfits: ": overfits,
    "In accuracy neither is evident.": overfits_by_loss,
    "It underfits: its training accuracy": lambda r: underfits(r) and not overfits(r) and not turned(r),
    "Neither is evident: ": lambda r: not overfits(r) and not turned(r) and not underfits(r),
    "**What did the hyperparameters do?**": lambda r: (
        any(steps(r, name) for name in HYPERPARAMETERS)
        or bool(diverged(r) or collapsed(r))
        or tied_first(r)
        or seeds(r) > 1
    ),
    "others unchanged, changed validation accuracy": lambda r: some_significance(r, True),
    "the two combinations of the largest difference are not distinguished": lambda r: some_significance(
        r, False
    ),
    "Not all: in": spikes,
    "Yes: in no combination did the training loss rise": lambda r: not spikes(r) and not oscillates(r),
    "a step that overshoots the minimum": lambda r: above(diverged(r), finished(r), "lr"),
    "the penalty outweighs the loss": lambda r: above(collapsed(r), learnt(r), "weight_decay"),
    "exactly the validation accuracy of the selected one": tied_first,
    "Differences of that size between single runs mean little": lambda r: seeds(r) > 1,
    "the training loss oscillated:": oscillates,
    "There was no spike: in no": lambda r: oscillates(r) and not spikes(r),
    "Nowhere: it made no error": lambda r: errors(r) == 0,
    "On every class but the one that it predicts": one_class,
    "its recall there is": lambda r: errors(r) > 0 and not one_class(r) and classes_differ(r),
    "With no class more than with another": lambda r: (
        errors(r) > 0 and not one_class(r) and not classes_differ(r)
    ),
    "shows its errors by kind": lambda r: errors(r) > 0,
    "An interval across zero leaves open even the direction.": lambda r: any(
        steps(r, name) for name in HYPERPARAMETERS
    ),
    "Nowhere: it gives the same answer": one_class,
    "Its confidence does not tell": lambda r: not one_class(r) and len(bins(r)) == 1,
    "Where it is sure. It is right on": lambda r: (
        not one_class(r) and len(bins(r)) > 1 and bins(r)[-1]["accuracy"] > r["evaluation"]["accuracy"]
    ),
    "Not even where it is sure.": lambda r: (
        not one_class(r) and len(bins(r)) > 1 and bins(r)[-1]["accuracy"] <= r["evaluation"]["accuracy"]
    ),
    "It is right on": lambda r: not one_class(r) and len(bins(r)) > 1,
    "gradients by hand agree with autograd and with finite differences": lambda r: not several(r),
    "gave the very numbers that PyTorch gives": lambda r: several(r) and identical(r),
    "of PyTorch in every parameter": lambda r: several(r) and not identical(r),
    # Appendix and approach
    "# Appendix: the complete leaderboard": long,
    "the columns are those of": lambda r: long(r) and printed(r),
    "too many to print": lambda r: not printed(r),
    "An input is a drawing": stand_in,
    "An input is a photograph": lambda r: not stand_in(r),
    "all ten classes are kept": lambda r: len(r["summary"]["classes"]) == 10,
    "then the classes": lambda r: len(r["summary"]["classes"]) < 10,
    "The classes are balanced": balanced,
    "The classes are **not balanced**": lambda r: not balanced(r),
    "But § of one colour throughout": lambda r: blank(r) > 0,
    "No image is of one colour throughout": lambda r: blank(r) == 0,
    "so accuracies on those sets are slightly too high": lambda r: across(r) > 0,
    "We did not look for near-duplicates.": lambda r: across(r) == 0,
    "Within the sets,": lambda r: repeated(r) > 0,
    "the figures here are the selected one's": lambda r: any(
        len({json.dumps(row.get(name)) for row in ranking(r)}) > 1
        for name in ("batch_size", "epochs", "hidden", "activation")
    ),
    "Each epoch takes the images in a new order": lambda r: ranking(r)[0].get("shuffle", False),
    "The images keep their order in every epoch.": lambda r: not ranking(r)[0].get("shuffle", False),
    "With dampening $": lambda r: any(row.get("dampening", 0) > 0 for row in ranking(r)),
    "With Nesterov momentum": lambda r: any(row.get("nesterov", False) for row in ranking(r)),
    "it is autograd's kernel `gelu_backward`": lambda r: any(
        row.get("activation") == "gelu" for row in ranking(r)
    ),
    "| `train` | autograd": lambda r: "train" in trainers(r),
    "| `train_manual_update` | autograd": lambda r: "train_manual_update" in trainers(r),
    "| `train_manual_backprop` | by hand": lambda r: "train_manual_backprop" in trainers(r),
    "The selected model was trained for one epoch": lambda r: epochs(r) == 1,
    "The training loss of the selected model went from": lambda r: epochs(r) > 1,
    "**It never changed, so nothing was learnt.**": constant,
    "the updates led away from the minimum": rose_in_all,
    "It was still falling at the end.": lambda r: (
        fell(r) and not rose_in_all(r) and not selected_oscillates(r)
    ),
    "It oscillated, so how it ended": lambda r: selected_oscillates(r) and not rose_in_all(r),
    "It had been lower": lambda r: rose(r) and not rose_in_all(r) and not selected_oscillates(r),
    "It had levelled off.": lambda r: (
        level(r) and not rose_in_all(r) and not constant(r) and not selected_oscillates(r)
    ),
    "By the end it was": turned,
    "Every run, that is every combination": lambda r: several(r) and not r["comparison"]["others"],
    "nothing is proved about": lambda r: several(r) and bool(r["comparison"]["others"]),
    "that every trainer made": lambda r: several(r) and bool(r["comparison"]["others"]),
    "so there was nothing to compare": lambda r: not several(r),
    "later epochs are not covered": lambda r: several(r) and shortened(r),
    "Afterwards we compared all losses of all epochs": several,
    "Any difference would have stopped": lambda r: several(r) and r["comparison"]["tolerance"] == 0,
    "A difference above": lambda r: several(r) and r["comparison"]["tolerance"] > 0,
    "**Bit-identical in": lambda r: several(r) and identical(r),
    "bit-identical. The largest difference is": lambda r: several(r) and not identical(r),
    "Losses differ from epoch": lambda r: several(r) and not identical(r),
    "within the tolerance of": lambda r: several(r) and not identical(r),
    "Of a run that differs, the table gives the first epoch": lambda r: several(r) and not identical(r),
    "The file [`comparison.json`](comparison.json) has all digits.": lambda r: several(r) and runs(r) <= 50,
    "has all of them, with all digits": lambda r: several(r) and runs(r) > 50,
    "seeds that counts": lambda r: seeds(r) > 1,
    "it is the model of the one that is best on validation": lambda r: seeds(r) > 1,
    "model after the epoch with the best validation accuracy counts": kept_best,
    "There is no early stopping": lambda r: not kept_best(r),
    "Validation was best after the last epoch": last_is_best,
    "**Its best epoch was kept:**": lambda r: kept_best(r) and not last_is_best(r),
    "so its validation accuracy is biased upwards": lambda r: kept_best(r) and not last_is_best(r),
    "**Stopping at its best epoch** would": lambda r: not kept_best(r) and not last_is_best(r),
    "so a part of that is chance": lambda r: not kept_best(r) and not last_is_best(r),
    "**another combination would have been selected**": changes_selection,
    "Selection** is by the accuracy after the best epoch": kept_best,
    "Selection** is by the accuracy after the last epoch": lambda r: not kept_best(r),
    "bands their range": lambda r: seeds(r) > 1,
    "say how far other seeds could have moved it": lambda r: seeds(r) > 1,
    "are compared by a paired t-test": lambda r: seeds(r) > 1,
    "Nor do they cover other initial weights.": lambda r: seeds(r) == 1,
    "It converged after": lambda r: r["baselines"]["logistic_regression"]["converged"],
    "It had **not converged**": lambda r: not r["baselines"]["logistic_regression"]["converged"],
    # Banner
    "**A trial run.**": lambda r: r["config"]["data"].get("images_per_class") is not None,
    "**Drawn images, not photographs.**": stand_in,
    "The config asks for them.": lambda r: stand_in(r) and r["source"]["requested"] == "synthetic",
    "No copy of CIFAR-10 could be reached.": lambda r: (
        stand_in(r) and r["source"]["requested"] != "synthetic"
    ),
    # Limits
    "had a constant training loss": unhealthy,
    "no training diverged, kept its loss constant": lambda r: not unhealthy(r),
    "[`leaderboard.csv`](leaderboard.csv) shows which": lambda r: unhealthy(r) and not printed(r),
    "shows which combinations diverged or predict one class": unhealthy,
    "- **It overfits.**": overfits,
    "- **No overfitting is evident in the accuracy, but": overfits_by_loss,
    "- **No overfitting is evident.**": lambda r: not overfits(r) and not turned(r),
    "**stopping earlier would have given better probabilities": turned,
    "close to its lowest value of": lambda r: not turned(r),
    "- **It underfits.**": underfits,
    "- **No underfitting is evident.**": lambda r: not underfits(r),
    "The training loss still fell, by": fell,
    "The training loss ended above its value of": rose,
    "The training loss had all but stopped falling": level,
    "**Yes, with care:**": useful,
    "**Not on photographs.**": stand_in,
    "It is not clearly better than a guess.": lambda r: not stand_in(r) and guess(r),
    "**No.** Always answering": lambda r: not stand_in(r) and not guess(r) and not beats_majority(r),
    "**No.** Logistic regression": lambda r: (
        not stand_in(r) and not guess(r) and beats_majority(r) and loses_to_linear(r)
    ),
    "**Not instead of logistic regression**": lambda r: (
        not stand_in(r)
        and not guess(r)
        and beats_majority(r)
        and not beats_linear(r)
        and not loses_to_linear(r)
    ),
    "*New images have to be like these:*": lambda r: not one_class(r),
    "*An error has to be cheap.*": lambda r: not one_class(r) and errors(r) > 0,
    "must not be taken at face value": lambda r: not one_class(r) and over(r),
    "*Its confidence* is too low on average": lambda r: not one_class(r) and under(r),
    "*Its confidence* agrees with its accuracy": lambda r: not one_class(r) and not over(r) and not under(r),
    "- Fetch CIFAR-10 and run again": stand_in,
    "one seed cannot tell merit from lucky initial weights": lambda r: seeds(r) == 1,
    "- Train with more seeds": lambda r: seeds(r) > 1 and undecided(r),
    "is the largest that was tried": at_largest,
    "is the smallest that was tried": at_smallest,
    "- Try more than one combination": lambda r: not at_largest(r) and not at_smallest(r) and single(r),
    "- Refine the grid": lambda r: not at_largest(r) and not at_smallest(r) and not single(r),
    "- Reduce overfitting": lambda r: overfits(r) or turned(r),
    "- Find a combination that learns anything": one_class,
    "- Train longer": lambda r: (
        not one_class(r) and (underfits(r) or (fell(r) and not overfits(r) and not turned(r)))
    ),
    # Provenance
    "The run was not made in a Git repository.": lambda r: git(r) is None,
    "with no uncommitted changes": lambda r: git(r) is not None and git(r)["clean"],
    "**with uncommitted changes**": lambda r: git(r) is not None and not git(r)["clean"],
    "git checkout": lambda r: git(r) is not None,
    "compare the fingerprints": lambda r: git(r) is not None and not git(r)["clean"],
    ", that of the official archive |": official,
    "**not** that of the official archive": lambda r: not official(r) and not stand_in(r),
    "the config below as `config.yaml`": printed,
    "too long to print": lambda r: not printed(r),
    # Summary
    "and the update of gradient descent are written by hand": lambda r: "train" in trainers(r) and several(r),
    "Backpropagation is written by hand and checked": lambda r: "train" not in trainers(r) or not several(r),
    "Only one trainer was used": lambda r: not several(r),
    "reach **the same losses and parameters to the last bit**": lambda r: several(r) and identical(r),
    "in a loss and": lambda r: several(r) and not identical(r),
    "in drawn stand-ins for the images of CIFAR-10": stand_in,
    "in the images of CIFAR-10.": lambda r: not stand_in(r),
    "The only combination tried": single,
    "Selected by validation accuracy among": lambda r: not single(r),
    "**The selected model is of no use": one_class,
    "**The network is not distinguishable from a random guess.**": lambda r: (
        not one_class(r) and not beats_chance(r)
    ),
    "The network beats logistic regression by": lambda r: not guess(r) and beats_linear(r),
    "**Logistic regression, a linear model, beats the network**": lambda r: (
        not guess(r) and loses_to_linear(r)
    ),
    "**not distinguishable from logistic regression**": lambda r: (
        not guess(r) and not beats_linear(r) and not loses_to_linear(r)
    ),
    "Only one combination of hyperparameters was tried": single,
    "All other combinations diverged": lone,
    "are **not distinguished** by the validation images": undecided,
    "the selected combination is better than the runner-up": lambda r: choice(r) and not undecided(r),
    "It **overfits**": overfits,
    "**but it is in the loss**": overfits_by_loss,
    "It **underfits**": lambda r: underfits(r) and not overfits(r) and not turned(r),
    "Neither overfitting nor underfitting is evident": lambda r: (
        not overfits(r) and not turned(r) and not underfits(r)
    ),
    "The archive is **not the official one**": lambda r: not official(r) and not stand_in(r),
    "diverged and could not be selected": lambda r: bool(diverged(r)),
    # Macros
    "the last, backpropagation and update by hand": lambda r: (
        several(r) and "train" in trainers(r) and "train_manual_backprop" in trainers(r)
    ),
    "the last, the update by hand": lambda r: several(r) and "train_manual_backprop" not in trainers(r),
    "the last, backpropagation by hand": lambda r: several(r) and "train" not in trainers(r),
    "one class for every validation image": unhealthy,
    "percentage points (95% interval §), more than the draw of the validation images explains": lambda r: any(
        pair["p_value_holm"] < 0.05 for pair in steady(r)
    ),
    "), not distinguished": lambda r: any(pair["p_value_holm"] >= 0.05 for pair in steady(r)),
    "for every validation image with at least one seed": lambda r: unhealthy(r) and seeds(r) > 1,
    "Lucky initial weights are not excluded: there is one seed.": lambda r: (
        seeds(r) == 1 and some_significance(r, True)
    ),
}


def normalised(text):
    """The text on one line, without quotation markers and caption anchors."""
    return " ".join(re.sub(r"^> ?|</?span.*?>", "", text, flags=re.MULTILINE).split())


# A text in which § marks what a template fills in.
PATTERNS = {
    text: re.compile(".{1,80}?".join(map(re.escape, text.split("§")))) for text in SENTENCES if "§" in text
}


@cache
def report(name):
    facts = json.loads(json.dumps(assemble(**raw(name))))
    return normalised(compose(TEMPLATES, "report.md.j2", facts, BIBLIOGRAPHY))


def said(name):
    text = report(name)
    return {
        sentence
        for sentence in SENTENCES
        if (PATTERNS[sentence].search(text) if sentence in PATTERNS else sentence in text)
    }


@pytest.mark.parametrize("name", OUTCOMES)
def test_the_report_says_what_holds_and_nothing_else(name):
    files = json.loads(json.dumps(raw(name)))
    assert said(name) == {text for text, holds in SENTENCES.items() if holds(files)}


def test_there_are_sixty_outcomes_and_each_sentence_is_said_in_some_and_not_in_others():
    assert len(OUTCOMES) >= 60
    times = {text: sum(text in said(name) for name in OUTCOMES) for text in SENTENCES}
    assert {text for text, number in times.items() if number in (0, len(OUTCOMES))} == set()


def branches(path):
    """The text of each branch of a template's conditions, with § for what is filled in."""
    tree = Environment(trim_blocks=True, lstrip_blocks=True).parse(path.read_text(encoding="utf-8"))
    for condition in tree.find_all(nodes.If):
        for body in (condition.body, *(other.body for other in condition.elif_), condition.else_):
            parts = [part for node in body if isinstance(node, nodes.Output) for part in node.nodes]
            texts = [part.data if isinstance(part, nodes.TemplateData) else "§" for part in parts]
            yield normalised("".join(texts))
    for condition in tree.find_all(nodes.CondExpr):
        expressions = (condition.expr1, condition.expr2)
        yield from (one.value for one in expressions if isinstance(one, nodes.Const))


@pytest.mark.parametrize(
    "path",
    [path for folder in ("chapters", "answers") for path in sorted((ROOT / "report" / folder).glob("*.j2"))]
    + [ROOT / "report/report.md.j2", ROOT / "report/macros.md.j2"],
    ids=lambda path: path.stem,
)
def test_every_conditional_sentence_is_listed(path):
    texts = [text for text in branches(path) if len(re.findall("[A-Za-z]{2,}", text)) > 4]
    assert [
        text for text in texts if not any(sentence in text or text in sentence for sentence in SENTENCES)
    ] == []
