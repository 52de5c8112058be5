"""Outcomes of a run that cover the report's sentences: the scenarios of `made_up_facts` and many more."""

from itertools import product

from helpers.made_up_facts import (
    CIFAR10,
    DEFAULT_COMBINATIONS,
    EPOCHS,
    SCENARIOS,
    baselines,
    comparison,
    config,
    evaluation,
    gradient_check,
    histories,
    inputs,
    selection,
    source,
    summary,
    with_settings,
)

TRAINERS = ("train", "train_manual_update", "train_manual_backprop")
FIRST = DEFAULT_COMBINATIONS[0]
# lr, weight decay, momentum, validation accuracy, validation loss, training accuracy, training loss
GOOD = (0.01, 0.0, 0.0, 0.83, 0.39, 0.84, 0.38)


def grid(*rows):
    """Rows (lr, weight decay, momentum, validation accuracy) with made-up losses."""
    return [(*row, 0.4 if row[3] > 0.6 else 0.693, row[3] + 0.02, 0.35) for row in rows]


def with_trainers(*names, identical=True, tolerance=None):
    given = comparison(bit_identical=identical) | {"trainers": list(names)}
    for run in given["runs"]:
        run["digests"] = {name: "0123" if identical else name for name in names}
    if tolerance is not None:
        given |= {"tolerance": tolerance}
    return {
        "config": config(training=config()["training"] | {"trainers": list(names)}),
        "comparison": given,
    }


def with_losses(training, validation):
    """Histories in which all runs have these losses."""
    rows = histories(selection())
    for row in rows:
        row["training_loss"], row["validation_loss"] = list(training), list(validation)
        for name in ("training_accuracy", "validation_accuracy"):
            row[name] = row[name][:1] * len(training)
    return {"histories": rows}


def with_best_epochs(seeds=(256,)):
    """Histories in which the runner-up was more accurate in its fifth epoch than any other run."""
    chosen = selection(seeds=seeds)
    rows = histories(chosen)
    for row in rows:
        row["validation_accuracy"][9] += 0.01
    for row in rows[len(seeds) : 2 * len(seeds)]:
        row["validation_accuracy"][4] = 0.93
    return rows


def differing_seeds():
    given = selection(seeds=(1, 2))
    for row in given["ranking"]:
        row |= {"validation_accuracy_std": 0.05, "standard_error_seeds": 0.05 / 2**0.5}
    return given


def falling(start, end, epochs=EPOCHS):
    return [start + (end - start) * epoch / (epochs - 1) for epoch in range(epochs)]


def kinked():
    given = gradient_check()
    given["central_differences"]["checks"][0]["kinks"] = 1
    given["central_differences"]["checks"][0]["unmeasurable"] = 2
    given["autograd"]["checks"][0]["dtype"] = "float32"
    return given


def repeated(images):
    given = summary()
    given["splits"]["test"]["duplicates"] = images
    return given


MORE = {
    # Trainers and tolerances.
    **{
        f"trainers {' '.join(names)}": with_trainers(*names)
        for names in (TRAINERS[:2], TRAINERS[::2], TRAINERS[1:], TRAINERS[2:], TRAINERS[1:2])
    },
    "a submitted trainer": with_trainers("train", "ada.backpropagation", identical=False),
    "manual trainers differ": with_trainers(*TRAINERS[1:], identical=False),
    "equal bits within a tolerance": with_trainers(*TRAINERS, tolerance=1e-9),
    # Data.
    "stand-in as asked for": {"source": source(stand_in=True) | {"requested": "synthetic"}},
    "one image in two sets": {"summary": summary(duplicates_between=1)},
    "one blank image": {"summary": summary(blank=1)},
    "one repeated image": {"summary": repeated(1)},
    "repeated images": {"summary": repeated(3)},
    "kinks and float32": {"gradient_check": kinked()},
    "nine classes": {
        "config": config(data=config()["data"] | {"classes": CIFAR10[:9]}),
        "summary": summary(CIFAR10[:9], (40500, 4500, 9000)),
        "selection": selection(classes=9, images=4500, one_class=0.12),
        "baselines": baselines(classes=9),
        "evaluation": evaluation(
            recalls=(0.6, 0.65, 0.4, 0.35, 0.45, 0.42, 0.6, 0.58, 0.66),
            sizes=(40500, 4500, 9000),
            classes=CIFAR10[:9],
        ),
    },
    # One and many combinations, seeds, divergence, collapse, ties.
    "one combination, several seeds": {"selection": selection([GOOD], seeds=(1, 2))},
    "one combination that collapsed": {
        "selection": selection([(0.01, 0.9, 0.0, 0.506, 0.693, 0.499, 0.693)]),
        "evaluation": evaluation(recalls=(0.0, 1.0), confidence=0.51, training_accuracy=0.5),
    },
    "one diverged": {"selection": selection([*DEFAULT_COMBINATIONS, (1.0, *FIRST[1:])], diverged=1)},
    "diverged by weight decay": {
        "selection": selection([*DEFAULT_COMBINATIONS, (0.01, 1000.0, *FIRST[2:])], diverged=1)
    },
    "diverged by either": {
        "selection": selection([*DEFAULT_COMBINATIONS, (1.0, 1000.0, *FIRST[2:])], diverged=1)
    },
    "diverged by momentum": {
        "selection": selection([*DEFAULT_COMBINATIONS, (0.01, 0.0, 0.9999, *FIRST[3:])], diverged=1)
    },
    "two diverged among others": {
        "selection": selection(
            [*DEFAULT_COMBINATIONS, (0.1, 0.5, 0.0, *FIRST[3:]), (0.01, 0.0, 0.99, *FIRST[3:])], diverged=2
        )
    },
    "diverged and collapsed": {
        "selection": selection(
            grid((0.01, 0.0, 0.0, 0.85), (0.01, 0.9, 0.0, 0.5), (1.0, 0.0, 0.0, 0.5)), diverged=1
        )
    },
    # The best epoch.
    "the best epoch in the middle": {"histories": with_best_epochs()},
    "the best epoch of each run kept": {
        "config": config(training=config()["training"] | {"keep": "best"}),
        "histories": with_best_epochs(),
    },
    "the best epoch of each run kept, with seeds": {
        "config": config(training=config()["training"] | {"keep": "best"}),
        "selection": selection(seeds=(1, 2)),
        "histories": with_best_epochs(seeds=(1, 2)),
    },
    "seeds that differ": {"selection": differing_seeds()},
    "diverged with seeds": {
        "selection": selection([*DEFAULT_COMBINATIONS, (1.0, *FIRST[1:])], seeds=(1, 2), diverged=1)
    },
    "a collapse that nothing explains": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.85), (0.01, 0.0, 0.9, 0.5), (0.1, 0.0, 0.0, 0.84)))
    },
    "a norm that decay does not explain": {
        "histories": [row | {"first_layer_norm": 0.5} for row in histories(selection())]
    },
    "a collapse without weight decay's part": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.85), (0.01, 0.9, 0.9, 0.5), (0.01, 0.9, 0.95, 0.5)))
    },
    "a grid of twenty steps of momentum and decay": {
        "selection": selection(
            grid(
                *(
                    (0.01, decay / 100, momentum / 10, 0.8 + 0.001 * (5 * decay + momentum))
                    for decay in range(5)
                    for momentum in range(5)
                )
            )
        )
    },
    "gelu": {"selection": with_settings(selection(), {"activation": "gelu"})},
    "oscillation without a spike": with_losses([0.7, 0.6] * 25, falling(0.7, 0.4)),
    "oscillation with spikes": with_losses([0.9, 0.6] * 25, falling(0.7, 0.4)),
    "spikes": with_losses([*falling(0.7, 0.3, 40), *[0.9, 0.3] * 5], falling(0.7, 0.4)),
    "two collapses, several seeds": {
        "selection": selection(
            grid((0.01, 0.0, 0.0, 0.85), (0.01, 0.5, 0.0, 0.5), (0.01, 0.9, 0.0, 0.5)), seeds=(1, 2, 3)
        )
    },
    "all collapsed but the diverged": {
        "selection": selection(
            grid((0.01, 0.9, 0.0, 0.5), (0.02, 0.9, 0.0, 0.49), (1.0, 0.0, 0.0, 0.5)), diverged=1
        ),
        "evaluation": evaluation(recalls=(1.0, 0.0), confidence=0.52, training_accuracy=0.5),
    },
    # One seed predicts a single class; the evaluated model, of another seed, predicts two.
    "every combination with one collapsed seed": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.7), (0.1, 0.0, 0.0, 0.69)), seeds=(1, 2), one_class=1)
    },
    "tie of three": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.85), (0.1, 0.0, 0.0, 0.85), (1.0, 0.0, 0.0, 0.85)))
    },
    "an equal tie": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.85), (0.1, 0.0, 0.0, 0.85)))
        | {"selected": selection(grid((0.01, 0.0, 0.0, 0.85)))["selected"] | {"decided_by": "config_order"}}
    },
    "smallest learning rate": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.85), (0.1, 0.0, 0.0, 0.8), (1.0, 0.0, 0.0, 0.7)))
    },
    "learning rate within the grid": {
        "selection": selection(grid((0.01, 0.0, 0.0, 0.8), (0.1, 0.0, 0.0, 0.85), (1.0, 0.0, 0.0, 0.7)))
    },
    "noise only": {
        "selection": selection(
            grid((0.01, 0.0, 0.0, 0.85), (0.01, 0.0, 0.9, 0.851), (0.01, 0.1, 0.0, 0.852), (0.1, 0, 0, 0.853))
        )
    },
    "clear choice with seeds": {"selection": selection(seeds=(1, 2), p_value=0.001)},
    "twelve combinations": {
        "selection": selection(grid(*((0.001 * n, 0.0, 0.9, 0.86 - 0.001 * n) for n in range(1, 13))))
    },
    # The selected training.
    "loss that levelled off": with_losses(
        [*falling(0.7, 0.3, 40), *[0.3] * 10], [*falling(0.7, 0.4, 40), *[0.4] * 10]
    ),
    "loss that rises at the end": with_losses(
        [*falling(0.7, 0.1, 40), *falling(0.12, 0.3, 10)], [*falling(0.7, 0.4, 40), *falling(0.5, 0.9, 10)]
    ),
    "loss that rises from the start": with_losses(falling(0.3, 0.9), falling(0.4, 1.0)),
    "validation loss far below": with_losses(falling(0.7, 0.5), falling(0.5, 0.2)),
    "two epochs": {
        "config": config(training=config()["training"] | {"epochs": 2}),
        **with_losses([0.7, 0.5], [0.6, 0.5]),
    },
    # The evaluation.
    "calibrated on average only": {
        "evaluation": evaluation(confidence=0.865)
        | {"calibration": evaluation(confidence=0.865)["calibration"] | {"expected_calibration_error": 0.2}}
    },
    "no better than a guess": {
        "evaluation": evaluation(recalls=(0.51, 0.5), confidence=0.6, training_accuracy=0.52)
    },
    "no better than the majority": {
        "evaluation": evaluation(recalls=(0.6, 0.6), confidence=0.6)
        | {
            "baselines": evaluation()["baselines"]
            | {"majority": {"class": "bird", "accuracy": 0.62, "accuracy_interval": [0.6, 0.64]}}
        }
    },
    "one error": {
        "evaluation": evaluation(recalls=(0.999, 1.0), confidence=0.99)
        | {"most_confident_errors": evaluation()["most_confident_errors"][:1]}
    },
    "a long leaderboard, one of which collapsed": {
        "selection": selection(
            [
                *(((1 + n) / 1000, 0.0, 0.9, 0.86 - 0.001 * n, 0.4, 0.9, 0.3) for n in range(110)),
                (0.01, 0.9, 0.0, 0.5, 0.693, 0.5, 0.693),
            ]
        )
    },
    "fits and generalises": {
        "evaluation": evaluation(training_accuracy=0.872, confidence=0.86),
        "baselines": baselines(training_accuracy=0.8),
    },
    # Training, validation and test accuracies in every order.
    **{
        f"training {training}, validation {validation}, test {test}": {
            "evaluation": evaluation(
                recalls=(test, test), training_accuracy=training, validation_accuracy=validation
            )
        }
        for training, validation, test in product((0.6, 0.9), (0.6, 0.9), (0.6, 0.9))
    },
}
OUTCOMES = SCENARIOS | MORE


def raw(name):
    """The contents of the files of a run with this outcome."""
    return inputs(**OUTCOMES[name])
