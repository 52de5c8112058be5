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
    return compose(FileSystemLoader(ROOT / "report"), "report.md.j2", json.loads(json.dumps(given)))


@pytest.fixture(scope="module")
def reports():
    return {name: report(scenario(name)) for name in SCENARIOS}


# What each scenario's report must say, and what it must not.
CLAIMS = {
    "default": (
        [
            "beats logistic regression by 6.6",
            "**overfits**",
            "within noise",
            "**over-confident**",
            "to the last bit",
            "**Yes, with care:**",
            "too much of it shows in this run",
            "no image stands, pixel for pixel, in two of the three sets",
            "the gap became narrower with more weight decay, as it should",
            "luck of the initial weights is not excluded",
            "fixed beforehand; 57 iterations, converged",
            "does not tell 1 other combination from the selected one",
        ],
        [
            "is taken on trust",
            "of one colour throughout, as one that failed would be; ",
            "diverged and could not",
            "**underfits**",
            "stand-in",
            "photographs.**",
            "of no use",
            "**look here**",
        ],
    ),
    "all diverged but one": (
        [
            "3 of 4 combinations diverged",
            "is the only combination that did not diverge",
            "higher learning rates",
        ],
        ["runner-up (", "within noise**", "says nothing about the effect of learning rate"],
    ),
    "collapsed winner": (
        [
            "of no use: it gives every test image the same class",
            "No. The selected model predicts airplane",
            "**No.** It does not do better than a guess",
            "**look here**",
            "One column holds everything",
        ],
        ["**Yes, with care:**", "beats logistic regression by", "its hidden layers find", "**It overfits.**"],
    ),
    "tie": (
        [
            "the lower validation loss decided",
            "within noise",
            "exactly the selected one's validation accuracy",
        ],
        ["It has the highest validation accuracy", "difference is more than noise"],
    ),
    "baseline wins": (
        [
            "**Logistic regression, a linear model, beats the network** by 8.5",
            "**It underfits.**",
            "**No.** Logistic regression is better",
        ],
        ["the network beats logistic", "**Yes, with care:**", "**It overfits.**"],
    ),
    "baseline equals": (
        [
            "**not distinguishable from logistic regression**",
            "That is not shown:",
            "**Not instead of logistic",
        ],
        ["**Yes, with care:**", "beats the network"],
    ),
    "ten classes": (
        [
            "airplane, automobile, bird, cat, deer, dog, frog, horse, ship and truck",
            "| 10 of 10 on the test images |",
            "a random guess has 10.0%",
            "More than noise",
            "With cat, of which it finds 35.0%",
        ],
        ["With no class more than with others"],
    ),
    "one combination": (
        [
            "nothing was selected",
            "There was no choice",
            "In the only run",
            "no two combinations differ in momentum",
        ],
        ["runner-up (", "all 1 ", "1 runs", "is the largest that was tried"],
    ),
    "three seeds": (
        ["the mean over 3 seeds", "±\u00a00.6 | 84.8", "the seed 1 gave the model", "In all 27 runs"],
        ["Several seeds for each combination"],
    ),
    "stand-in": (
        ["**Drawn images, not photographs.**", "**Not on photographs.**", "Fetch CIFAR-10 and run again"],
        ["**Yes, with care:**", "is a photograph of CIFAR-10", "in the images of CIFAR-10"],
    ),
    "clear choice, good fit": (
        [
            "the difference is more than noise",
            "tells every other combination from the selected one",
            "**No overfitting is evident.**",
            "**No underfitting is evident.**",
            "It is well calibrated",
        ],
        ["within noise**", "**overfits**", "**underfits**", "over-confident"],
    ),
    "under-confident": (["**under-confident**", "is too low on average"], ["over-confident"]),
    "trainers differ": (
        ["trainers differ by at most 3.10", "stayed within 3.10"],
        ["parameters to the last bit", "**Bit-identical in"],
    ),
    "one trainer": (
        ["Only `train` was trained", "compared no update by hand"],
        ["parameters to the last bit", "trainers reach", "figures/trainer_agreement.svg"],
    ),
    "constant losses": (
        [
            "**it never changed, so nothing was learnt**",
            "none diverged, 9 had a constant training loss and none ended",
            "**look here**",
        ],
        ["still falling"],
    ),
    "rising losses": (["**it rose,", "**look here**"], ["still falling", "had levelled off"]),
    "one epoch": (["a training 1 epoch."], ["1 epochs", "had levelled off", "still falling"]),
    "leak": (
        ["**7 images stand in more than one set** (7 in train and validation)"],
        ["no image stands, pixel for pixel"],
    ),
    "thirty combinations": (
        ["The best 10 of 30 combinations", "# Appendix: the complete leaderboard", "All 30 combinations"],
        ["leaderboard.csv"],
    ),
    "hundred and twenty combinations": (
        ["The best 10 of 120 combinations", "[`leaderboard.csv`](leaderboard.csv)"],
        ["```yaml"],
    ),
    "no error": (
        ["Nowhere: it made no error", "No test image was misclassified", "The rise is more than noise"],
        ["is classified wrongly", "That is no more than the draw"],
    ),
    "two ranges of confidence": (
        [
            "Where it is sure: of the 1,000 test images (50.0%) with a confidence above 95.0% it classifies "
            "97.0% rightly, of the 1,000 below 60.0%: 60.0%.",
        ],
        ["Not even where it is sure"],
    ),
    "sure and wrong": (["**Where does it do well?** Not even where it is sure: of the 1,000"], []),
    "overfits in the loss only": (
        [
            "In accuracy neither is evident; in the loss it overfits: that of validation ended 100.0% above",
            "**In accuracy no overfitting is evident, in the loss it is.**",
            "stopping earlier would have given better probabilities",
            "- Against overfitting: more images",
        ],
        ["Neither overfitting nor underfitting is evident", "**No overfitting is evident.**"],
    ),
    "unofficial archive": (["The archive is **not the official one**", "**not** the official archive's"], []),
    "blank images": (
        ["3 images are of one colour throughout", "| No image is blank | 3 images | **look here** |"],
        ["no image is of one colour"],
    ),
    "imbalance": (["The classes are **not balanced**: airplane has 57.8%"], ["The classes are balanced"]),
    "baseline not converged": (["57 iterations, **not converged**"], []),
    "decay widens the gap": (["the gap did not become narrower with more weight decay"], ["as it should"]),
    "decay narrows and widens the gap": (["in some steps and not in others"], ["as it should"]),
    "all gradients equal to the bit": (
        ["On all 144 networks, losses and batches on which both were computed, they agree **to the last"],
        ["In the others the largest relative difference"],
    ),
    "odd sweep": (
        ["the slopes are 1.00 (forward) and 1.40 (central), where theory says 1 and 2."],
        ["the gradient is right", "this correct gradient breaks it"],
    ),
    "uncommitted changes": (
        [
            "**with uncommitted changes**",
            "The commit lacks the uncommitted changes: compare the fingerprints.",
        ],
        ["with no uncommitted changes"],
    ),
    "not in a repository": (["was not made in a Git repository"], ["git checkout"]),
}


@pytest.mark.parametrize("name", SCENARIOS)
def test_the_report_claims_what_holds_and_nothing_else(reports, name):
    present, absent = CLAIMS[name]
    text = reports[name].lower()
    assert [claim for claim in present if claim.lower() not in text] == []
    assert [claim for claim in absent if claim.lower() in text] == []


def numbers_in(value):
    """Every number in the facts; of a list also its length, which is the number of its items."""
    if isinstance(value, dict):
        return [number for item in value.values() for number in numbers_in(item)]
    if isinstance(value, list):
        return [len(value), *(number for item in value for number in numbers_in(item))]
    return [value] if isinstance(value, int | float) and not isinstance(value, bool) else []


def readings(value):
    """The ways in which the filters may have written a number, as plain decimals."""
    written = {f"{value:,}".replace(",", ""), f"{abs(100 * value):.1f}", str(exact(value))}
    written |= {str(signif(value, digits)).replace(",", "") for digits in (1, 2, 3, 4)}
    return {reading.replace("−", "-").lstrip("-") for reading in written}


def cells(markdown):
    """The cells of every table, code and rules left out."""
    for line in markdown.splitlines():
        if line.startswith("|") and not re.fullmatch(r"[|:\- ]+", line):
            yield from (cell.strip() for cell in re.sub(r"`[^`]*`", "", line).strip("|").split("|"))


NUMBER = re.compile(r"(?<![\w.-])\d[\d,]*(?:\.\d+)?(?:\s×\s10[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+)?")


@pytest.mark.parametrize("name", SCENARIOS)
def test_every_number_of_a_table_stands_in_the_facts(reports, name):
    given = json.loads(json.dumps(scenario(name)))
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
        "figures/trainer_agreement.svg",
        "figures/epsilon_sweep.svg",
        "figures/leaderboard.svg",
        "figures/confusion_matrix.svg",
        "figures/misclassified_images.png",
        "figures/calibration.svg",
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
    block = text[text.index("```yaml") :].removeprefix("```yaml\n").removesuffix("```\n")
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
    ],
)
def test_a_wrong_template_is_an_error_that_names_it(template, message):
    with pytest.raises(HandgradError, match=re.escape(message)):
        compose(DictLoader({"r.md.j2": template}), "r.md.j2", {"value": 0.5, "text": "x"})


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
    options = ["--facts", "facts.json", "--template", template, "--output-report", "out/report.md"]
    return subprocess.run(
        [sys.executable, "-c", STAGE, *options], cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )


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
