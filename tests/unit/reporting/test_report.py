# ruff: noqa: RUF001 (the report uses typographic signs)
import json
import re
import subprocess
import sys

import pypandoc
import pytest
import yaml
from helpers.made_up_facts import SCENARIOS, config, facts, scenario
from helpers.projects import ROOT
from helpers.rendering import BIBLIOGRAPHY, TEMPLATES
from jinja2 import DictLoader, FileSystemLoader

from handgrad.errors import HandgradError
from handgrad.reporting.composing import compose
from handgrad.reporting.wording import (
    all_of,
    code,
    counted,
    escaped,
    exact,
    interval,
    listing,
    p_value,
    percent,
    points,
    signif,
    yaml_block,
    yaml_text,
)

HOSTILE = (
    '<script>alert(1)</script> *x* $y$ [z](http://e) _u_ `c` ~s~ ^t^ @a !b # & | \\n -- ... "q" :smile: 1.'
)


def report(given):
    return compose(TEMPLATES, "report.md.j2", json.loads(json.dumps(given)), BIBLIOGRAPHY)


@pytest.fixture(scope="module")
def scenarios():
    return {name: scenario(name) for name in SCENARIOS}


@pytest.fixture(scope="module")
def reports(scenarios):
    return {name: report(given) for name, given in scenarios.items()}


def numbers_in(value):
    """Every number in the facts, including the lengths of lists, which count their items."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    if isinstance(value, list):
        return [len(value), *(number for item in value for number in numbers_in(item))]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def readings(value):
    """The ways in which the filters may have formatted a number, as plain decimals."""
    written = {f"{value:,}".replace(",", ""), f"{abs(100 * value):.1f}", str(exact(value))}
    written |= {str(signif(value, digits)).replace(",", "") for digits in (1, 2, 3, 4)}
    return {reading.replace("−", "-").lstrip("-") for reading in written}


def cells(markdown):
    """The cells of every table, without code and rules."""
    for line in markdown.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|:\- ]+", line):
            yield from (cell.strip() for cell in re.sub(r"`[^`]*`", "", line).strip("|").split("|"))


NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?:\s×\s10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_number_of_a_table_stands_in_the_facts(scenarios, reports, name):
    given = json.loads(json.dumps(scenarios[name] | {"curves": {}}))
    versions = {package["version"] for package in given["provenance"]["packages"]}
    texts = {given["provenance"][key] for key in ("cpu", "python")} | versions
    allowed = set().union(*map(readings, numbers_in(given)))
    allowed |= {number for text in texts for number in NUMBER.findall(text)}
    rows = [cell for cell in cells(reports[name]) if "95% interval" not in cell and "SHA" not in cell]
    found = {number.replace(",", "") for cell in rows for number in NUMBER.findall(cell.replace("\\", ""))}
    assert len(found) > 50
    assert found - allowed == set()


def test_every_figure_has_an_alternative_text_and_a_caption(reports):
    text = reports["default"]
    images = re.findall(r"^!\[(.*)\]\((.*)\)$", text, re.MULTILINE)
    assert [path for _, path in images] == [
        "figures/sample_images.png",
        "figures/training_curves.svg",
        "figures/epsilon_sweep.svg",
        "figures/leaderboard.svg",
        "figures/confusion_matrix.svg",
        "figures/misclassified_images.png",
        "figures/calibration.svg",
        "figures/paired_effects.svg",
    ]
    assert all(len(alternative) > 20 for alternative, _ in images)
    captions = re.findall(r'^<span id="figure-[a-z-]+">\*\*Figure (\d)\.\*\*</span> \S', text, re.MULTILINE)
    assert captions == list("12345678")


def test_every_reference_has_its_target(reports):
    for text in reports.values():
        targets = set(re.findall(r'<span id="([^"]+)">', text))
        references = set(re.findall(r"\]\(#([^)]+)\)", text))
        assert references <= targets


def test_the_report_is_the_same_each_time():
    assert report(facts()) == report(facts())


def test_the_front_matter_is_pandocs(reports):
    document = json.loads(pypandoc.convert_text(reports["default"], "json", "markdown"))
    assert document["meta"]["numbersections"] == {"t": "MetaBool", "c": True}
    assert document["meta"]["title"]["c"] == [
        {"t": "Str", "c": "By"},
        {"t": "Space"},
        {"t": "Str", "c": "hand"},
    ]
    assert len(document["meta"]["author"]["c"]) == 2


def test_a_report_without_authors_names_none():
    given = config(report={"title": "By hand", "authors": [], "formats": ["md"]})
    assert "author" not in report(facts(config=given)).split("---")[1]


def plain(markdown, dialect):
    return " ".join(pypandoc.convert_text(markdown, "plain", dialect, ["--wrap=none"]).split())


@pytest.mark.parametrize("dialect", ["markdown", "gfm"])
@pytest.mark.parametrize(
    "text",
    [
        HOSTILE,
        "- no list",
        "1. no list",
        "# no heading",
        "---",
        "a  b",
        "O'Brien & Søn",
        "C:\\x",
        "![x](y)",
        "www.example.org",
        "a@example.org",
        "{.class}",
        "[^1]",
        "x^2^ H~2~O",
        "<b>",
        "&amp;",
        "= =",
        "`a|b`",
    ],
)
def test_escaped_text_stays_text(dialect, text):
    expected = " ".join(text.split())
    assert plain(escaped(text), dialect).replace("’", "'") == expected
    in_table = plain(f"| a |\n|---|\n| {escaped(text)} |\n", dialect).replace("’", "'")
    assert expected in in_table


@pytest.mark.parametrize("text", [HOSTILE, "1. x", 'say "a"', "back\\slash", "two\nlines", "C: x"])
def test_a_title_of_any_characters_is_read_back_as_text(text):
    source = f"---\ntitle: {yaml_text(text)}\n---\n"
    html = pypandoc.convert_text(source, "html5", "markdown", ["--standalone"])
    title = re.search(r'<h1 class="title">(.*?)</h1>', html, re.DOTALL).group(1)
    assert "<" not in title
    assert plain(escaped(text), "markdown") == " ".join(text.split())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["<script>alert(1)</script> *x* $y$ [z](http://e)", "a | b", "`c`\n```\nd"])
def test_hostile_texts_of_the_facts_are_nowhere_markup(name):
    given = facts()
    given["provenance"]["cpu"] = given["data"]["source"]["location"] = name
    given["report"] |= {"title": name, "authors": [name]}
    given["config"]["report"] = given["report"]
    html = pypandoc.convert_text(report(given), "html5", "markdown+alerts", ["--standalone"])
    assert "<script>" not in html
    assert "<em>x</em>" not in html
    assert 'href="http://e"' not in html


def test_numbers_are_worded():
    assert percent(0.8574) == "85.7%"
    assert percent(1.0) == "100.0%"
    assert percent(0.99987) == ">\u00a099.9%"
    assert percent(0.0001) == "<\u00a00.1%"
    assert percent(0.0) == "0.0%"
    assert percent(None) == "–"
    assert interval([0.842, 0.873]) == "84.2–87.3%"
    assert points(-0.0131) == "−1.3"
    assert points(0.0131) == "+1.3"
    assert points(-0.0001) == "+0.0"
    assert signif(0.35071) == "0.351"
    assert signif(1.234e-5) == "1.23\u00a0×\u00a010⁻⁵"
    assert signif(397_002.0) == "397,000"
    assert signif(4.4e-16, 2) == "4.4\u00a0×\u00a010⁻¹⁶"
    assert signif(8.61e13) == "8.61\u00a0×\u00a010¹³"
    assert signif(0.0) == "0"
    assert signif(None) == "–"
    assert exact(0.01) == "0.01"
    assert exact(1e-12) == "1\u00a0×\u00a010⁻¹²"
    assert exact(256) == "256"
    assert p_value(0.0312) == "p\u00a0=\u00a00.031"
    assert p_value(2e-9) == "p\u00a0<\u00a00.001"
    assert counted(1, "run") == "1 run"
    assert counted(1200, "run") == "1,200 runs"
    assert all_of(1, "run") == "the only run"
    assert all_of(9, "run") == "all 9 runs"
    assert listing(["a", "b_c", "d"]) == "a, b\\_c and d"
    assert listing(["a"]) == "a"
    assert code("a b") == "`a b`"
    assert code("a|b`c") == "a\\|b\\`c"


def test_yaml_with_backticks_stays_in_its_block():
    block = yaml_block({"title": "```\n# x"})
    html = pypandoc.convert_text(f"{block}\n", "html5", "markdown")
    assert html.count("<pre") == 1
    assert "<h1" not in html


def test_config_in_the_report_is_the_config():
    text = report(facts())
    block = text[text.index("```yaml") :].removeprefix("```yaml\n").partition("\n```")[0]
    assert yaml.safe_load(block) == config()


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("\n{{ nothing }}", "'nothing' is undefined"),
        ("\n{{ value }}", "0.5 is printed without a filter"),
        ("\n{{ value | percents }}", "line 2"),
        ("\n{% if %}", "line 2"),
        ("{% include 'missing.md.j2' %}", "missing.md.j2"),
        ("{{ see('figure', 'x') }}", "refers to the figure x"),
        ("{{ numbered('table', 'x') }}{{ numbered('table', 'x') }}", "two tables named x"),
        ("{{ text | percent }}", "correct the template"),
        ("{{ cite('nobody2026') }}", "references.bib: has no entry nobody2026, which the report cites"),
    ],
)
def test_a_wrong_template_is_an_error_that_names_it(template, message):
    with pytest.raises(HandgradError, match=re.escape(message)):
        loader = DictLoader({"r.md.j2": template})
        compose(loader, "r.md.j2", {"value": 0.5, "text": "x"}, BIBLIOGRAPHY)


def test_an_answer_can_be_replaced_and_refers_to_what_comes_later(tmp_path):
    (tmp_path / "r.md.j2").write_text('{% include "a.md.j2" +%}\n\n{{ numbered("figure", "one") }} Text.\n')
    (tmp_path / "a.md.j2").write_text('See {{ see("figure", "one") }}: {{ value | percent }} of {{ name }}.')
    text = compose(FileSystemLoader(tmp_path), "r.md.j2", {"value": 0.5, "name": "*x*"})
    assert text == (
        'See [Figure 1](#figure-one): 50.0% of \\*x\\*.\n\n<span id="figure-one">**Figure 1.**</span> Text.\n'
    )


STAGE = """
import runpy, sys
runpy.run_module("handgrad.stages.report", run_name="__main__")
heavy = {"torch", "pandas", "scipy", "sklearn", "matplotlib", "numpy"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""


def run_stage(folder, template):
    (folder / "facts.json").write_text(json.dumps(facts()))
    options = ["--facts", "facts.json", "--template", template]
    options += ["--bibliography", str(BIBLIOGRAPHY), "--output-report", "out/report.md"]
    return subprocess.run(
        [sys.executable, "-c", STAGE, *options], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )


@pytest.mark.slow
def test_the_stage_writes_the_report_and_imports_nothing_heavy(tmp_path):
    result = run_stage(tmp_path, str(ROOT / "report/report.md.j2"))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "out/report.md").read_text(encoding="utf-8") == report(facts())


def test_a_wrong_template_ends_the_stage_in_one_line(tmp_path):
    (tmp_path / "mine.md.j2").write_text("\n\n{{ nothing.there }}")
    result = run_stage(tmp_path, "mine.md.j2")
    assert result.returncode == 1
    assert result.stderr == "error: mine.md.j2, line 3: 'nothing' is undefined; correct the template\n"
    assert not (tmp_path / "out/report.md").exists()
