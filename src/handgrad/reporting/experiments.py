"""Compare the facts of several experiments: their differences, and how significant these are."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from handgrad.evaluation.significance import holm, paired_interval, paired_test
from handgrad.hyperparameters import HYPERPARAMETERS, Combination
from handgrad.reporting.statements import SIGNIFICANCE

Record = dict[str, Any]
TOP = 10


@dataclass(frozen=True)
class Experiment:
    """A finished experiment: its name, facts.json and evaluation/predictions.csv."""

    name: str
    facts: Record
    predictions: pd.DataFrame

    @property
    def test_images(self) -> list[Any]:
        """What must be equal for the test metrics of two experiments to be comparable."""
        images = self.predictions[["index", "label"]].to_numpy().tolist()
        return [self.facts["data"]["source"]["sha256"], images]

    @property
    def validation_images(self) -> list[Any]:
        data = self.facts["data"]
        return [data["source"]["sha256"], data["splits"]["validation"], self.facts["config"]["seed"]]


def assemble_experiments(experiments: Sequence[Experiment]) -> Record:
    """Assemble the facts for the report that compares experiments."""
    first, *others = experiments
    same_test_images = all(other.test_images == first.test_images for other in others)
    same_validation_images = all(other.validation_images == first.validation_images for other in others)
    return {
        "experiments": [_described(experiment) for experiment in experiments],
        "differences": _differences(experiments),
        "same_test_images": same_test_images,
        "same_validation_images": same_validation_images,
        "pairs": _pairs(experiments) if same_test_images else [],
        "leaderboard": _merged_leaderboard(experiments) if same_validation_images else [],
        "significance": SIGNIFICANCE,
    }


def _described(experiment: Experiment) -> Record:
    facts = experiment.facts
    selected, evaluation = facts["selection"]["selected"], facts["evaluation"]
    return {
        "name": experiment.name,
        "stand_in": facts["data"]["source"]["stand_in"],
        "combinations": facts["selection"]["combinations"],
        "settings": Combination.of(selected).named(),
        "parameters": facts["model"]["parameters"],
        "validation_accuracy": selected["validation_accuracy"],
        "test_accuracy": evaluation["accuracy"],
        "test_accuracy_interval": evaluation["accuracy_interval"],
        "test_images": evaluation["images"],
        "epochs": facts["config"]["training"]["epochs"],
        "trainings": facts["cost"]["trainings"],
        "operations": facts["cost"]["all"],
        "operations_of_a_training": facts["cost"]["training"],
    }


def _differences(experiments: Sequence[Experiment]) -> list[Record]:
    """Return the settings that differ between experiments, with their values as text."""
    flat = [dict(_leaves(experiment.facts["config"])) for experiment in experiments]
    names = dict.fromkeys(name for settings in flat for name in settings)
    rows = []
    for name in names:
        values = [settings.get(name) for settings in flat]
        if any(value != values[0] for value in values[1:]):
            rows.append({"setting": name, "values": ["none" if value is None else value for value in values]})
    return rows


def _leaves(config: Any, name: str = "") -> Iterator[tuple[str, str]]:
    for key, value in config.items():
        path = f"{name}.{key}".lstrip(".")
        if path == "hyperparameters":
            yield path, f"{len(value)} listed"
        elif path != "report" and isinstance(value, dict):
            yield from _leaves(value, path)
        elif path != "report":
            yield path, json.dumps(value, ensure_ascii=False)


def _pairs(experiments: Sequence[Experiment]) -> list[Record]:
    """Compare every two selected models on the same test images by McNemar's test, with Holm's correction."""
    rows: list[Record] = []
    for first, second in combinations(experiments, 2):
        ours, theirs = (
            (one.predictions["label"] == one.predictions["predicted"]).to_numpy(np.bool_)
            for one in (first, second)
        )
        only_first, only_second, p_value = paired_test(ours, theirs)
        rows.append(
            {
                "first": first.name,
                "second": second.name,
                "same_model": first.facts["selection"]["selected"]["model_sha256"]
                == second.facts["selection"]["selected"]["model_sha256"],
                "difference": float(ours.mean() - theirs.mean()),
                "difference_interval": paired_interval(theirs, ours),
                "only_first_correct": only_first,
                "only_second_correct": only_second,
                "p_value": p_value,
            }
        )
    for row, adjusted in zip(rows, holm([row["p_value"] for row in rows]), strict=True):
        row |= {"holm_p_value": adjusted, "told_apart": adjusted < SIGNIFICANCE}
    return rows


def _merged_leaderboard(experiments: Sequence[Experiment]) -> list[Record]:
    """Return the best combinations of all experiments by validation accuracy; shared ones appear once."""
    merged: dict[str, Record] = {}
    for experiment in experiments:
        config = experiment.facts["config"]
        # What a run depends on besides its combination.
        others = {name: value for name, value in config["training"].items() if name not in HYPERPARAMETERS}
        for row in experiment.facts["leaderboard"]["rows"]:
            settings = Combination.of(row).named()
            key = json.dumps([others, config["dtype"], settings])
            entry = {
                "experiments": [],
                "settings": settings,
                "diverged": row["diverged"],
                "validation_accuracy": row["validation_accuracy"],
                "validation_accuracy_interval": row["validation_accuracy_interval"],
                "validation_loss": row["validation_loss"],
            }
            merged.setdefault(key, entry)["experiments"].append(experiment.name)
    finished = [row for row in merged.values() if not row["diverged"]]
    return sorted(finished, key=lambda row: (-row["validation_accuracy"], row["validation_loss"]))[:TOP]
