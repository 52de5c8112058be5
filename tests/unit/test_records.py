"""The declared types of the JSON files, checked on synthetic data; tests/workflow checks real files."""

import json
from typing import Literal, NotRequired, TypedDict, get_type_hints

import pytest
from helpers import made_up_facts, made_up_runs, outcomes
from helpers.declarations import departures

from handgrad.hyperparameters import HYPERPARAMETERS, Settings
from handgrad.records.baselines import Baselines
from handgrad.records.comparison import Comparison
from handgrad.records.evaluation import Evaluation
from handgrad.records.facts import Facts
from handgrad.records.gradient_check import GradientCheck
from handgrad.records.metrics import Metrics
from handgrad.records.selection import Selection
from handgrad.records.source import Source
from handgrad.records.summary import Summary
from handgrad.reporting.facts import assemble


class Part(TypedDict):
    share: float
    note: NotRequired[str]


class Whole(TypedDict):
    kind: Literal["a", "b"]
    parts: list[Part]
    counts: dict[str, int]
    best: float | None


GOOD = {"kind": "a", "parts": [{"share": 0.5}, {"share": 1, "note": "x"}], "counts": {"x": 1}, "best": None}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, []),
        ({"kind": "c"}, ["the file.kind is 'c'; declared typing.Literal['a', 'b']"]),
        ({"parts": [{"share": True}]}, ["the file.parts[0].share is True; declared <class 'float'>"]),
        ({"parts": [{"note": "x"}]}, ["the file.parts[0] lacks share"]),
        ({"parts": {}}, ["the file.parts is {}; declared list[test_records.Part]"]),
        ({"counts": {"x": 1.0}}, ["the file.counts.x is 1.0; declared <class 'int'>"]),
        ({"best": "0.5"}, ["the file.best is '0.5'; declared float | None"]),
        ({"more": 1}, ["the file has the undeclared key more"]),
    ],
)
def test_departures_are_named(change, expected):
    found = [line.replace(f"{__name__}.", "test_records.") for line in departures(GOOD | change, Whole)]
    assert found == expected


@pytest.mark.parametrize(
    ("name", "declared"),
    [
        ("source", Source),
        ("summary", Summary),
        ("gradient_check", GradientCheck),
        ("comparison", Comparison),
        ("selection", Selection),
        ("baselines", Baselines),
        ("evaluation", Evaluation),
    ],
)
def test_made_up_facts_rest_on_records_as_declared(name, declared):
    assert list(departures(made_up_facts.inputs()[name], declared)) == []


@pytest.mark.parametrize("outcome", outcomes.OUTCOMES)
def test_the_facts_of_every_outcome_are_as_declared(outcome):
    assert list(departures(assemble(**outcomes.raw(outcome)), Facts)) == []


def test_made_up_runs_write_records_as_declared(tmp_path):
    folders = [
        made_up_runs.write_run(tmp_path, combination, [0, 1], [0, 1], diverged_epoch=diverged)
        for combination, diverged in [((0.1, 0.0, 0.9), None), ((10.0, 0.0, 0.0), 2)]
    ]
    files = [(folder / "train/metrics.json", Metrics) for folder in folders]
    files += [
        (made_up_runs.write_comparison(tmp_path, folders), Comparison),
        (made_up_runs.write_gradient_check(tmp_path), GradientCheck),
        (made_up_runs.write_source(tmp_path), Source),
    ]
    for path, declared in files:
        assert list(departures(json.loads(path.read_text()), declared, path.name)) == []


def test_settings_have_the_types_of_the_hyperparameters():
    assert get_type_hints(Settings) == {name: one.type for name, one in HYPERPARAMETERS.items()}
    always = {name for name, one in HYPERPARAMETERS.items() if one.always_named}
    assert Settings.__required_keys__ == always
