"""Runs with contrasting outcomes, as the dictionaries that `handgrad.reporting.facts.assemble` takes."""

import copy
import hashlib
import itertools
import math
from itertools import pairwise

import numpy as np
from scipy.stats import binomtest

from handgrad.evaluation.significance import paired_interval, wilson_interval
from handgrad.hyperparameters import HYPERPARAMETERS
from handgrad.reporting.facts import assemble

DEFAULT_COMBINATIONS = [
    # lr, weight decay, momentum, validation accuracy, validation loss, training accuracy, training loss
    (0.01, 0.0, 0.0, 0.832, 0.392, 0.839, 0.378),
    (0.01, 0.01, 0.0, 0.831, 0.394, 0.836, 0.383),
    (0.01, 0.9, 0.0, 0.506, 0.693, 0.499, 0.693),
    (0.01, 0.0, 0.01, 0.833, 0.391, 0.84, 0.377),
    (0.01, 0.0, 0.9, 0.855, 0.421, 0.991, 0.036),
    (0.01, 0.01, 0.9, 0.859, 0.342, 0.948, 0.151),
    (0.01, 0.9, 0.01, 0.506, 0.693, 0.499, 0.693),
    (0.01, 0.001, 0.9, 0.856, 0.402, 0.987, 0.047),
    (0.1, 0.0, 0.0, 0.871, 0.398, 0.995, 0.027),
]
CLASSES = ["airplane", "bird"]
CIFAR10 = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
EPOCHS = 50


def config(**changes):
    return {
        "seed": 256,
        "dtype": "float64",
        "device": "cpu",
        "data": {
            "source": "auto",
            "archive": None,
            "classes": CLASSES,
            "images_per_class": None,
            "validation_fraction": 0.1,
            "mirrors": ["https://example.org/cifar-10-python.tar.gz"],
            "md5": "c58f30108f718f92721af3b95e74349a",
        },
        "model": {"hidden": [512, 128, 32], "activation": "relu"},
        "training": {
            "epochs": EPOCHS,
            "batch_size": 256,
            "threads": 1,
            "trainers": ["train", "train_manual_update", "train_manual_backprop"],
            "seeds": [256],
            "checkpoint_every": 0,
            "keep": "last",
        },
        "hyperparameters": [
            {"lr": lr, "weight_decay": weight_decay, "momentum": momentum}
            for lr, weight_decay, momentum, *_ in DEFAULT_COMBINATIONS
        ],
        "gradients": {"check_every": 0},
        "comparison": {"tolerance": 0.0},
        "report": {
            "title": "By hand",
            "authors": ["Ada Lovelace", "Emmy Noether"],
            "formats": ["md", "html", "pdf"],
        },
    } | changes


def source(stand_in=False):
    location = (
        "drawn by handgrad.data.synthetic" if stand_in else "https://example.org/cifar-10-python.tar.gz"
    )
    return {
        "requested": "auto",
        "source": "synthetic" if stand_in else "download",
        "location": location,
        "stand_in": stand_in,
        "official": not stand_in,
        "bytes": 170498071,
        "md5": "c58f30108f718f92721af3b95e74349a",
        "sha256": hashlib.sha256(location.encode()).hexdigest(),
    }


def summary(classes=CLASSES, sizes=(9037, 963, 2000), duplicates_between=0, blank=0, surplus=0):
    splits = {}
    for name, images in zip(("train", "validation", "test"), sizes, strict=True):
        base, extra = divmod(images, len(classes))
        splits[name] = {
            "images": images,
            "class_counts": {label: base + (position < extra) for position, label in enumerate(classes)}
            | {classes[0]: base + (extra > 0) + surplus, classes[-1]: base - surplus},
            "minimum": 0,
            "maximum": 255,
            "black": 0.003,
            "white": 0.011,
            "missing": 0,
            "blank": blank if name == "train" else 0,
            "mean": [0.5082, 0.5271, 0.5315],
            "std": [0.2371, 0.2332, 0.2478],
            "duplicates": 0,
        }
    return {
        "classes": list(classes),
        "splits": splits,
        "duplicates_between": {
            "train/validation": duplicates_between,
            "train/test": 0,
            "validation/test": 0,
        },
        "normalisation": {"mean": [0.5082, 0.5271, 0.5315], "std": [0.2371, 0.2332, 0.2478]},
        "official_training_images": 50000,
        "official_test_images": 10000,
    }


def gradient_check():
    cases = [
        {
            "network": network,
            "activation": activation,
            "loss": loss,
            "batch_size": batch_size,
            "dtype": "float64",
        }
        for network in ([2, 3, 2], [5, 4, 3], [576, 128, 32, 10])
        for activation in ("tanh", "relu", "sigmoid", "identity")
        for loss in ("squared_error", "cross_entropy")
        for batch_size in (1, 7, 32)
    ]
    return {
        "passed": True,
        "autograd": {
            "tolerance": 1e-12,
            "checks": [
                case
                | {
                    "implementation": implementation,
                    "largest_relative_error": 0.0 if identical else 4.4e-16,
                    "bit_identical": identical,
                }
                for case in cases
                for implementation in ("backpropagation", "buffers")
                for identical in [case["activation"] == "relu" or implementation == "buffers"]
            ],
        },
        "central_differences": {
            "epsilon": 1e-5,
            "tolerance": 1e-6,
            "checks": [
                case
                | {
                    "parameters": 100,
                    "parameters_checked": 40,
                    "kinks": 0,
                    "unmeasurable": 0,
                    "largest_relative_error": 3.2e-9,
                }
                for case in cases
            ],
        },
        "epsilon_sweep": {
            "network": [5, 4, 3],
            "activation": "tanh",
            "loss": "squared_error",
            "batch_size": 7,
            "dtype": "float64",
            "points": [
                {
                    "epsilon": 10 ** (-exponent / 2),
                    "forward": 0.8 * 10 ** (-exponent / 2) + 2e-16 / 10 ** (-exponent / 2),
                    "central": 0.3 * 10**-exponent + 1e-16 / 10 ** (-exponent / 2),
                }
                for exponent in range(2, 27)
            ],
            "forward": {"best_epsilon": 3.16e-8, "best_error": 2.5e-8, "slope": 1.0},
            "central": {"best_epsilon": 1e-5, "best_error": 4.1e-11, "slope": 2.0},
        },
        "textbook": {
            "network": [64, 32, 16, 2],
            "samples": 300,
            "batch_size": 50,
            "epochs": 50,
            "largest_parameter": 0.61,
            "parameter_difference": 8.3e-14,
            "loss_difference": 1e-13,
        },
    }


def run_folder(lr, weight_decay, momentum, seed):
    return f"results/runs/lr~{lr}/weight_decay~{weight_decay}/momentum~{momentum}/seed~{seed}/train"


def comparison(runs=None, bit_identical=True):
    """The comparison of the histories `runs`, by default those of the default selection."""
    difference = 0.0 if bit_identical else 3.1e-15
    trainers = ["train", "train_manual_update", "train_manual_backprop"]
    return {
        "tolerance": 0.0 if bit_identical else 1e-9,
        "trainers": trainers,
        "bit_identical": bit_identical,
        "largest_loss_difference": difference,
        "largest_parameter_difference": difference,
        "runs": [
            {
                "epochs": EPOCHS,
                **{name: run[name] for name in (*HYPERPARAMETERS, "seed") if name in run},
                "loss_difference": difference,
                "parameter_difference": difference,
                "bit_identical": bit_identical,
                "first_different_epoch": None if bit_identical else 2,
                "digests": {
                    trainer: hashlib.sha256(b"" if bit_identical else trainer.encode()).hexdigest()
                    for trainer in trainers
                },
                "sha256": dict.fromkeys(trainers, hashlib.sha256(b"files").hexdigest()),
            }
            for run in runs or histories(selection())
        ],
        "others": [],
    }


def comparison_of_a_part():
    """The comparison if every trainer trained only two of the runs, limited to 5 epochs."""
    runs = histories(selection())
    shortened = comparison(runs[:2])
    for run in shortened["runs"]:
        run["epochs"] = 5
    others = [{**{name: run[name] for name in ("lr", "weight_decay", "momentum", "seed")}} for run in runs]
    digest = hashlib.sha256(b"files").hexdigest()
    return shortened | {"others": [run | {"sha256": {"train": digest}} for run in others]}


def pair(before, after, images):
    """Compare two rows of the leaderboard: each alone is right on 20 images, the more accurate on more."""
    names = ("lr", "weight_decay", "momentum")
    more = round(images * (after["validation_accuracy"] - before["validation_accuracy"]))
    counts = 20 + max(0, -more), 20 + max(0, more)
    correct = np.zeros((2, images))
    correct[0, : counts[0]] = correct[1, counts[0] : sum(counts)] = 1
    p_value = float(binomtest(counts[0], sum(counts)).pvalue)
    return {
        "before": {name: before[name] for name in names},
        "after": {name: after[name] for name in names},
        "only_before_correct": counts[0],
        "only_after_correct": counts[1],
        "difference_interval": list(paired_interval(*correct)),
        "p_value": p_value,
        "p_value_holm": min(1.0, 2 * p_value),
    }


def steps(rows, images):
    """The pairs of rows that differ in one hyperparameter only, by a step to its next value."""
    names = ("lr", "weight_decay", "momentum")
    result = {}
    for name in names:
        lines = {}
        for row in rows:
            lines.setdefault(tuple(row[other] for other in names if other != name), []).append(row)
        result[name] = [
            pair(before, after, images)
            for line in lines.values()
            for before, after in pairwise(sorted(line, key=lambda row: row[name]))
        ]
    return result


def selection(
    combinations=DEFAULT_COMBINATIONS,
    seeds=(256,),
    classes=2,
    images=963,
    diverged=0,
    p_value=0.18,
    one_class=0.52,
):
    """The last `diverged` combinations diverged; accuracies below `one_class` mean predicting one class."""
    last = len(combinations) - diverged
    healthy = sorted(combinations[:last], key=lambda row: (-row[3], row[4]))
    rows = []
    for rank, row in enumerate([*healthy, *combinations[last:]], start=1):
        lr, weight_decay, momentum, accuracy, loss, training_accuracy, training_loss = row
        failed = rank > last
        rows.append(
            {
                "rank": rank,
                "lr": lr,
                "weight_decay": weight_decay,
                "momentum": momentum,
                "diverged": failed,
                "validation_accuracy": accuracy,
                "validation_accuracy_std": 0.0061 if len(seeds) > 1 else None,
                "standard_error_seeds": 0.0061 / len(seeds) ** 0.5 if len(seeds) > 1 else None,
                "standard_error_images": (accuracy * (1 - accuracy) / images) ** 0.5
                if len(seeds) > 1
                else None,
                "validation_accuracy_interval": list(wilson_interval(accuracy, images)),
                "validation_loss": None if failed else loss,
                "training_accuracy": training_accuracy,
                "training_loss": None if failed else training_loss,
                "predicted_classes": 1 if failed or accuracy < one_class else classes,
                "tied_accuracy_with_selected": rank > 1 and accuracy == healthy[0][3],
                "p_value": None if rank == 1 or failed else p_value if rank == 2 else 0.001,
                "p_value_holm": None if rank == 1 or failed else p_value if rank == 2 else 0.004,
            }
        )
    first = rows[0]
    names = ("lr", "weight_decay", "momentum")
    tied = len(healthy) > 1 and healthy[1][3] == healthy[0][3]
    return {
        "metric": "validation_accuracy",
        "validation_images": images,
        "combinations": len(rows),
        "diverged": diverged,
        "trainer": "train",
        "seeds": list(seeds),
        "ranking": rows,
        "selected": {
            **{name: first[name] for name in names},
            "seed": seeds[0],
            "trainer": "train",
            "run": run_folder(*(first[name] for name in names), seeds[0]),
            "model_sha256": hashlib.sha256(b"model").hexdigest(),
            **{
                name: first[name]
                for name in ("validation_accuracy", "validation_loss", "training_accuracy", "training_loss")
            },
            "decided_by": "only_candidate"
            if len(healthy) == 1
            else "validation_loss"
            if tied
            else "validation_accuracy",
        },
        "runner_up": None
        if len(healthy) == 1
        else {
            **{name: rows[1][name] for name in names},
            "validation_accuracy": rows[1]["validation_accuracy"],
            "test": {
                "only_selected_correct": 42,
                "only_runner_up_correct": 31,
                "p_value": p_value,
                "p_value_holm": p_value,
            },
        },
        "steps": steps(rows[:last], images),
        "same_steady_steps": [
            pair(before, after, images)
            for before in rows[:last]
            for after in rows[:last]
            if before["momentum"] == 0 < after["momentum"]
            and before["weight_decay"] == after["weight_decay"]
            and math.isclose(before["lr"] * (1 - after["momentum"]), after["lr"])
        ],
    }


def with_settings(chosen, *settings):
    """A selection in which the combinations, best first, also have these settings, cyclically."""
    rows = chosen["ranking"]
    for row, more in zip(rows, itertools.cycle(settings), strict=False):
        row |= more
    chosen["selected"] |= settings[0]
    if chosen["runner_up"]:
        chosen["runner_up"] |= {name: rows[1][name] for name in settings[0]}
    # The pairs were built without these settings.
    chosen["steps"], chosen["same_steady_steps"] = {}, []
    return chosen


def histories(chosen):
    """Losses that decrease linearly to the last one; those of diverged combinations end after ten epochs."""
    rows = []
    for row in chosen["ranking"]:
        for seed in chosen["seeds"]:
            start = math.log(2)
            columns = {}
            for split in ("training", "validation"):
                end = row[f"{split}_loss"]
                losses = [
                    None if end is None and epoch >= 10 else start + ((end or 0.5) - start) * epoch / EPOCHS
                    for epoch in range(1, EPOCHS + 1)
                ]
                columns[f"{split}_loss"] = losses
                columns[f"{split}_accuracy"] = [row[f"{split}_accuracy"]] * EPOCHS
            values = {name: row[name] for name in HYPERPARAMETERS if name in row}
            folder = run_folder(row["lr"], row["weight_decay"], row["momentum"], seed)
            run = {"run": folder, **values, "seed": seed}
            rows.append(run | {"first_layer_norm": 1.119e-6 if row["weight_decay"] else 9.0} | columns)
    return rows


def baselines(training_accuracy=0.842, classes=2):
    return {
        "majority": {"class": "airplane", "validation_accuracy": 0.494},
        "logistic_regression": {
            "training_accuracy": training_accuracy,
            "validation_accuracy": 0.803,
            "regularisation": 0.001,
            "tried": [
                {"regularisation": 0.0001, "validation_accuracy": 0.797},
                {"regularisation": 0.001, "validation_accuracy": 0.803},
            ],
            "iterations": 57,
            "converged": True,
        },
        "random": {"accuracy": 1 / classes},
    }


def evaluation(
    recalls=(0.872, 0.849),
    linear=0.7945,
    p_value=2e-9,
    training_accuracy=0.995,
    validation_accuracy=0.871,
    confidence=0.93,
    sizes=(9037, 963, 2000),
    classes=CLASSES,
):
    """An evaluation in which errors predict the next class and all confidences are equal."""
    support = sizes[2] // len(classes)
    matrix = [[0] * len(classes) for _ in classes]
    for row, recall in enumerate(recalls):
        right = round(recall * support)
        matrix[row][row] = right
        matrix[row][(row + 1) % len(classes)] += support - right
    images = support * len(classes)
    right = sum(matrix[row][row] for row in range(len(classes)))
    accuracy = right / images
    per_class = []
    for row, name in enumerate(classes):
        predicted = sum(line[row] for line in matrix)
        precision = matrix[row][row] / predicted if predicted else None
        recall = matrix[row][row] / support
        per_class.append(
            {
                "name": name,
                "support": support,
                "share": support / images,
                "precision": precision,
                "recall": recall,
                "recall_interval": list(wilson_interval(recall, support)),
                "f1": 2 * matrix[row][row] / (support + predicted),
            }
        )
    used = sum(any(line[row] for line in matrix) for row in range(len(classes)))
    return {
        "classes": list(classes),
        "images": images,
        "accuracy": accuracy,
        "accuracy_interval": list(wilson_interval(accuracy, images)),
        "loss": 0.412,
        "confusion_matrix": matrix,
        "per_class": per_class,
        "calibration": {
            "expected_calibration_error": abs(confidence - accuracy),
            "bins": [
                {
                    "lower": step / 10,
                    "upper": (step + 1) / 10,
                    "images": images if step == int(confidence * 10) else 0,
                    "confidence": confidence if step == int(confidence * 10) else None,
                    "accuracy": accuracy if step == int(confidence * 10) else None,
                }
                for step in range(10)
            ],
        },
        "predicted_classes": used,
        "output_deviation": 0.0 if used == 1 else 0.31,
        "baselines": {
            "random": {"accuracy": 1 / len(classes)},
            "majority": {
                "class": classes[0],
                "accuracy": 1 / len(classes),
                "accuracy_interval": list(wilson_interval(1 / len(classes), images)),
                "validation_accuracy": 0.494,
            },
            "logistic_regression": {
                "accuracy": linear,
                "accuracy_interval": list(wilson_interval(linear, images)),
                "loss": 0.468,
                "validation_accuracy": 0.803,
            },
        },
        "mcnemar_baseline": {
            "baseline": "logistic_regression",
            "only_model_correct": 262,
            "only_baseline_correct": 130,
            "p_value": p_value,
        },
        "most_confident_errors": [
            {"index": 17, "label": classes[0], "predicted": classes[1], "confidence": 0.9993},
            {"index": 1042, "label": classes[1], "predicted": classes[0], "confidence": 0.9987},
        ],
        "training_accuracy": training_accuracy,
        "training_accuracy_interval": list(wilson_interval(training_accuracy, sizes[0])),
        "validation_accuracy": validation_accuracy,
        "validation_accuracy_interval": list(wilson_interval(validation_accuracy, sizes[1])),
    }


def provenance(clean=True):
    return {
        "python": "3.12.4",
        "packages": [{"name": "torch", "version": "2.15.0"}, {"name": "numpy", "version": "2.4.1"}],
        "system": "Linux x86_64",
        "cpu": "An Example CPU @ 2.50GHz",
        "cpu_count": 4,
        "arithmetic": {
            "instruction_set": "AVX2",
            "blas": "mkl",
            "threads": 1,
            "thread_pools": [
                {
                    "library": "libopenblas.so",
                    "api": "openblas",
                    "version": "0.3.31",
                    "architecture": "Haswell",
                    "threads": 1,
                },
            ],
            "torch_build": ["PyTorch built with:", "  - GCC 13.3"],
        },
        "gpus": [],
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "clean": clean},
        "fingerprints": [{"stage": "train", "fingerprint": "89abcdef01234567"}],
    }


def inputs(**changes):
    """The arguments of `assemble` for a run of the default config on real images, updated by `changes`."""
    chosen = changes.pop("selection", None) or selection()
    defaults = {
        "config": config(),
        "source": source(),
        "summary": summary(),
        "gradient_check": gradient_check(),
        "comparison": comparison(histories(chosen)),
        "selection": chosen,
        "baselines": baselines(),
        "evaluation": evaluation(),
        "histories": histories(chosen),
        "provenance": provenance(),
    }
    return copy.deepcopy(defaults | changes)


def facts(**changes):
    return assemble(**inputs(**changes))


def _with_trainers(names):
    return config(training=config()["training"] | {"trainers": names})


def _flat_histories():
    """Histories with the same loss in every epoch."""
    rows = histories(selection())
    for row in rows:
        row["training_loss"] = row["validation_loss"] = [math.log(2)] * EPOCHS
    return rows


def _rising_histories():
    rows = histories(selection())
    for row in rows:
        row["training_loss"] = [0.7 + 0.01 * epoch for epoch in range(EPOCHS)]
    return rows


def _one_epoch():
    rows = histories(selection())
    return [row | {name: row[name][:1] for name in row if isinstance(row[name], list)} for row in rows]


def _turning_histories():
    """Validation losses that are half as large in the middle of the training."""
    rows = histories(selection())
    for row in rows:
        row["validation_loss"][EPOCHS // 2] = row["validation_loss"][-1] / 2
    return rows


def _doubtful_and_sure(doubtful, sure):
    """Half of the test images have a confidence of 60% and half of 95%, with these accuracies."""
    given = evaluation()
    halves = {0.6: doubtful, 0.95: sure}
    bins = [
        {"lower": 0.55, "upper": 0.6, "images": 1000, "confidence": 0.6, "accuracy": halves[0.6]},
        {"lower": 0.75, "upper": 0.8, "images": 0, "confidence": None, "accuracy": None},
        {"lower": 0.95, "upper": 1.0, "images": 1000, "confidence": 0.95, "accuracy": halves[0.95]},
    ]
    return given | {"calibration": given["calibration"] | {"bins": bins}}


def _unconverged():
    given = baselines()
    return given | {"logistic_regression": given["logistic_regression"] | {"converged": False}}


def _decay(gaps):
    """Combinations with increasing weight decay and these gaps between training and validation accuracy."""
    return [(0.01, 0.001 * 10**step, 0.9, 0.85, 0.4, 0.85 + gap, 0.3) for step, gap in enumerate(gaps)]


def _equal_gradients():
    given = gradient_check()
    for check in given["autograd"]["checks"]:
        check |= {"bit_identical": True, "largest_relative_error": 0.0}
    return given


def _odd_sweep():
    """Errors of numerical gradients that grow too slowly with epsilon and stay below its square."""
    given = gradient_check()
    sweep = given["epsilon_sweep"]
    sweep["points"] = [point for point in sweep["points"] if point["central"] <= point["epsilon"] ** 2]
    sweep["central"]["slope"] = 1.4
    return given


def _grid(size):
    """`size` combinations with different validation accuracies, none of them collapsed."""
    return [((1 + n) / 1000, 0.0, 0.9, 0.86 - 0.001 * n, 0.4, 0.9, 0.3) for n in range(size)]


ONE = DEFAULT_COMBINATIONS[4:5]
SCENARIOS = {
    "default": {},
    "all diverged but one": {
        "selection": selection(
            [DEFAULT_COMBINATIONS[0], *((lr, 0.0, 0.9, 0.506, 0.7, 0.5, 0.7) for lr in (1.0, 10.0, 100.0))],
            diverged=3,
        )
    },
    "collapsed winner": {
        "selection": selection([(lr, 0.9, 0.0, 0.506, 0.693, 0.499, 0.693) for lr in (0.001, 0.01)]),
        "evaluation": evaluation(
            recalls=(1.0, 0.0),
            p_value=1e-30,
            training_accuracy=0.499,
            validation_accuracy=0.506,
            confidence=0.51,
        ),
    },
    "tie": {
        "selection": selection(
            [(0.01, 0.0, 0.9, 0.871, 0.38, 0.95, 0.1), (0.1, 0.0, 0.0, 0.871, 0.40, 0.96, 0.1)], p_value=1.0
        )
    },
    "baseline wins": {
        "evaluation": evaluation(
            recalls=(0.72, 0.70), linear=0.7945, training_accuracy=0.71, validation_accuracy=0.712
        )
    },
    "baseline equals": {"evaluation": evaluation(recalls=(0.80, 0.79), linear=0.7945, p_value=0.97)},
    "ten classes": {
        "config": config(data=config()["data"] | {"classes": CIFAR10}),
        "summary": summary(CIFAR10, (45000, 5000, 10000)),
        "selection": selection(classes=10, images=5000, one_class=0.12),
        "baselines": baselines(classes=10, training_accuracy=0.45),
        "evaluation": evaluation(
            recalls=(0.6, 0.65, 0.4, 0.35, 0.45, 0.42, 0.6, 0.58, 0.66, 0.57),
            linear=0.39,
            sizes=(45000, 5000, 10000),
            classes=CIFAR10,
            training_accuracy=0.7,
            validation_accuracy=0.53,
        ),
    },
    "one combination": {"selection": selection(ONE)},
    "three seeds": {"selection": selection(seeds=(1, 2, 3))},
    "stand-in": {"source": source(stand_in=True)},
    "clear choice, good fit": {
        "selection": selection(p_value=0.0002),
        "evaluation": evaluation(training_accuracy=0.875, confidence=0.865),
        "baselines": baselines(training_accuracy=0.82),
    },
    "under-confident": {"evaluation": evaluation(confidence=0.7)},
    "trainers differ": {"comparison": comparison(bit_identical=False)},
    "one trainer": {
        "config": _with_trainers(["train"]),
        "comparison": comparison() | {"trainers": ["train"]},
    },
    "constant losses": {"histories": _flat_histories()},
    "rising losses": {"histories": _rising_histories()},
    "trial": {"config": config(data=config()["data"] | {"images_per_class": 300})},
    "one epoch": {
        "config": config(training=config()["training"] | {"epochs": 1}),
        "histories": _one_epoch(),
    },
    "two ranges of confidence": {"evaluation": _doubtful_and_sure(0.6, 0.97)},
    "sure and wrong": {"evaluation": _doubtful_and_sure(0.97, 0.6)},
    "overfits in the loss only": {
        "evaluation": evaluation(training_accuracy=0.875),
        "baselines": baselines(training_accuracy=0.82),
        "histories": _turning_histories(),
    },
    "unofficial archive": {"source": source() | {"official": False}},
    "blank images": {"summary": summary(blank=3)},
    "imbalance": {"summary": summary(surplus=700)},
    "baseline not converged": {"baselines": _unconverged()},
    "decay widens the gap": {"selection": selection(_decay([0.05, 0.06, 0.07]))},
    "decay narrows and widens the gap": {"selection": selection(_decay([0.05, 0.07, 0.06]))},
    "all gradients equal to the bit": {"gradient_check": _equal_gradients()},
    "odd sweep": {"gradient_check": _odd_sweep()},
    "leak": {"summary": summary(duplicates_between=7)},
    "thirty combinations": {"selection": selection(_grid(30))},
    "hundred and twenty combinations": {"selection": selection(_grid(120))},
    "proof on a part": {"comparison": comparison_of_a_part()},
    "other hyperparameters": {
        "selection": with_settings(
            selection(),
            {"nesterov": True, "dampening": 0.0, "shuffle": True, "batch_size": 64, "hidden": [64, 32]},
            {"nesterov": False, "dampening": 0.5, "shuffle": True, "batch_size": 256, "hidden": [512]},
        )
    },
    "no error": {"evaluation": evaluation(recalls=(1.0, 1.0)) | {"most_confident_errors": []}},
    "not in a repository": {"provenance": provenance() | {"git": None}},
    "uncommitted changes": {"provenance": provenance(clean=False)},
}


def scenario(name):
    return facts(**SCENARIOS[name])
