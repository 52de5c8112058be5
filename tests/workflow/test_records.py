"""The JSON files of a real run have the types that handgrad.records declares."""

import json

import pytest
from helpers.declarations import departures

from handgrad.records.baselines import Baselines
from handgrad.records.comparison import Comparison
from handgrad.records.evaluation import Evaluation
from handgrad.records.facts import Facts
from handgrad.records.gradient_check import GradientCheck
from handgrad.records.metrics import Metrics
from handgrad.records.preflight import Preflight
from handgrad.records.selection import Selection
from handgrad.records.source import Source
from handgrad.records.summary import Summary


@pytest.mark.parametrize(
    ("pattern", "declared", "files"),
    [
        ("data/source.json", Source, 1),
        ("data/summary.json", Summary, 1),
        ("gradients/check.json", GradientCheck, 1),
        ("runs/**/metrics.json", Metrics, 6),
        ("preflight.json", Preflight, 1),
        ("comparison.json", Comparison, 1),
        ("selection.json", Selection, 1),
        ("baselines/baselines.json", Baselines, 1),
        ("evaluation/evaluation.json", Evaluation, 1),
        ("facts.json", Facts, 1),
    ],
)
def test_the_files_of_a_run_are_as_declared(finished_run, pattern, declared, files):
    folder, _ = finished_run
    paths = list((folder / "results").glob(pattern))
    assert len(paths) == files
    for path in paths:
        assert list(departures(json.loads(path.read_text()), declared, path.name)) == []
