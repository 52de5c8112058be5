"""Style rules for templates, so that changing a sentence changes one line."""

import re

import pytest
from helpers.projects import ROOT
from jinja2 import Environment, nodes

REPORT = ROOT / "report"
TEMPLATES = [
    *sorted(REPORT.glob("*.j2")),
    *sorted(REPORT.glob("answers/*")),
    *sorted(REPORT.glob("chapters/*")),
    *sorted(REPORT.glob("check/*")),
]
# Two sentences on a line: a full stop after a word of at least three letters, then a capital.
TWO_SENTENCES = re.compile(r"[a-z)]{3}[.?!]\*{0,2} +[A-Z`*]")


def named(path):
    return pytest.param(path, id=path.relative_to(REPORT).as_posix())


@pytest.mark.parametrize("path", [*map(named, TEMPLATES)])
def test_no_line_is_longer_than_120_characters(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [(number, line) for number, line in enumerate(lines, 1) if len(line) > 120] == []


@pytest.mark.parametrize("path", [*map(named, TEMPLATES)])
def test_no_line_decides_more_than_one_thing(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert [line for line in lines if len(re.findall(r"\b(?:el)?if\b", line)) > 1 and "{" in line] == []


@pytest.mark.parametrize("path", [*map(named, TEMPLATES)])
def test_no_line_has_two_sentences(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    prose = [line for line in lines if not line.startswith(("|", "{#", "#"))]
    assert [line for line in prose if TWO_SENTENCES.search(line)] == []


def is_name(node):
    """Whether an expression is a plain lookup: statements.useful, step.beyond_noise, effects[name]."""
    while isinstance(node, nodes.Getattr | nodes.Getitem):
        node = node.node
    return isinstance(node, nodes.Name)


def is_simple(test):
    """Whether a condition is a name, possibly negated, or a test for none."""
    if isinstance(test, nodes.Not):
        test = test.node
    if isinstance(test, nodes.Test):
        return test.name == "none" and is_name(test.node)
    return is_name(test)


@pytest.mark.parametrize("path", [*map(named, TEMPLATES)])
def test_conditions_are_names_and_combine_nothing(path):
    tree = Environment().parse(path.read_text(encoding="utf-8"))
    conditions = [node.test for node in tree.find_all((nodes.If, nodes.CondExpr))]
    conditions += [loop.test for loop in tree.find_all(nodes.For) if loop.test is not None]
    assert [test for test in conditions if not is_simple(test)] == []
