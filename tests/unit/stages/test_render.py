import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import pytest
import typst
from helpers.made_up_facts import facts, scenario
from helpers.projects import ROOT
from helpers.rendering import render, rendered, write_report

from handgrad.reporting.typesetting import typeset

pytestmark = pytest.mark.slow

TITLE = "<script>alert(1)</script> *x* $y$ [z](http://e) #set page(fill: red)"


class Tags(HTMLParser):
    """Collects a page's tags with their attributes, its IDs, and the text outside script and style."""

    def __init__(self, html):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.tags.append((tag, dict(attributes)))

    def handle_data(self, data):
        if self.tags and self.tags[-1][0] not in ("script", "style"):
            self.text += data

    def named(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(tmp_path_factory.mktemp("report"), facts())


@pytest.fixture(scope="module")
def html(report):
    return rendered(report, "html").read_text(encoding="utf-8")


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_the_same_report_gives_the_same_bytes(report, form):
    first = rendered(report, form).read_bytes()
    assert rendered(report, form).read_bytes() == first


def test_the_pdf_has_no_date(report):
    pdf = rendered(report, "pdf").read_bytes()
    assert pdf.startswith(b"%PDF-")
    assert b"CreationDate" not in pdf
    assert b"ModDate" not in pdf


def test_the_page_holds_everything_it_shows(html):
    page = Tags(html)
    for tag, attributes in page.tags:
        for name in ("src", "srcset", "data", "poster"):
            assert attributes.get(name, "data:").startswith("data:"), (tag, attributes)
    assert [link for link in page.named("link") if not link["href"].startswith("data:")] == []
    assert "@import" not in html
    assert not re.search(r"url\((?!['\"]?data:)", html)


def test_every_image_has_an_alternative_text(html):
    images = Tags(html).named("img")
    assert len(images) == 8
    assert all(len(image["alt"]) > 20 for image in images)


def test_captions_and_references(html):
    page = Tags(html)
    names = {figure["id"] for figure in page.named("figure")}
    assert {"figure-epsilon-sweep", "table-leaderboard", "table-models"} <= names
    identifiers = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(identifiers) == len(set(identifiers))
    links = {link["href"][1:] for link in page.named("a") if link["href"].startswith("#")}
    assert links <= set(identifiers)
    assert len(page.named("figcaption")) == len(page.named("figure"))


def test_the_page_can_be_navigated(html):
    page = Tags(html)
    assert page.named("html")[0]["lang"] == "en-GB"
    assert [len(page.named(tag)) for tag in ("main", "nav", "header", "h1")] == [1, 1, 1, 1]
    assert page.named("a")[0]["href"] == "#main"
    assert all(region["tabindex"] == "0" for region in page.named("div") if region.get("role") == "region")
    assert "Contents" in page.text
    assert re.search(r"3\.2\s*</span>\s*\(b\) How can", html)


@pytest.mark.parametrize(
    "name",
    ["ten classes", "one trainer", "no error", "not in a repository", "hundred and twenty combinations"],
)
def test_reports_of_other_shapes_are_typeset(tmp_path, name):
    assert rendered(write_report(tmp_path, scenario(name)), "pdf").stat().st_size > 20_000


def pdf_text(path, *options):
    if shutil.which("pdftotext") is None:
        pytest.skip("needs pdftotext (poppler-utils) to read a PDF")
    command = ["pdftotext", *options, path, "-"]
    return subprocess.run(command, check=True, capture_output=True, encoding="utf-8").stdout


def hostile(folder, **changes):
    given = scenario("stand-in")
    given["report"] |= {"title": TITLE, "authors": [TITLE, "Ada #1"]} | changes
    return write_report(folder, given)


def test_a_title_stays_text_in_the_page(tmp_path):
    html = rendered(hostile(tmp_path), "html").read_text(encoding="utf-8")
    page = Tags(html)
    assert "<script>alert" not in html
    assert TITLE in page.text
    assert [link for link in page.named("a") if "http://e" in link["href"]] == []


def test_a_title_stays_text_in_the_pdf(tmp_path):
    path = rendered(hostile(tmp_path), "pdf")
    assert TITLE.split("#")[0].strip() in " ".join(pdf_text(path, "-l", "1").split())


def test_stand_in_data_is_told_at_the_top_of_every_format(tmp_path):
    report = write_report(tmp_path, scenario("stand-in"))
    banner = "Drawn images, not photographs."
    head = report.read_text(encoding="utf-8").split("# Summary")[0]
    assert banner in head
    page = rendered(report, "html").read_text(encoding="utf-8")
    assert banner in page[page.index("<main") : page.index('id="summary"')]
    assert banner in " ".join(pdf_text(rendered(report, "pdf"), "-l", "1").split())


def test_nothing_runs_off_the_pages(tmp_path):
    given = scenario("thirty combinations")
    given["leaderboard"]["rows"] *= 3
    given["report"]["title"] = "A long title " * 15
    for row in given["leaderboard"]["rows"]:
        row["validation_accuracy_std"] = 0.0123
    given["data"]["source"]["location"] = "https://example.org/" + "a-long-folder/" * 12 + "archive.tar.gz"
    boxes = pdf_text(rendered(write_report(tmp_path, given), "pdf"), "-bbox")
    width, height = map(float, re.search(r'<page width="([\d.]+)" height="([\d.]+)"', boxes).groups())
    words = re.findall(r'xMax="([\d.]+)" yMax="([\d.]+)">(.*?)</word>', boxes)
    edges = [(float(right), word) for right, _, word in words]
    # A margin of 26 mm, and three points for hanging punctuation.
    assert [(x, word) for x, word in edges if x > width - 26 / 25.4 * 72 + 3] == []
    # Below the text there is only "n of m".
    feet = [word for _, bottom, word in words if float(bottom) > height - 26 / 25.4 * 72 + 3]
    assert len(feet) == 3 * boxes.count("<page ")


def test_a_table_of_thirty_combinations_goes_on_with_its_head_repeated(tmp_path):
    text = pdf_text(rendered(write_report(tmp_path, scenario("thirty combinations")), "pdf"), "-layout")
    appendix = text[text.rindex("All 30 combinations") :]
    assert re.findall(r"^ *(\d+) +0\.0", appendix, re.MULTILINE) == [str(rank) for rank in range(1, 31)]


def test_fonts_are_those_that_typst_brings(report):
    families = set(typst.Fonts(include_system_fonts=False).families())
    template = (ROOT / "report/style/pdf/template.typ").read_text()
    assert set(re.findall(r'font: "([^"]+)"', template)) <= families


def test_a_missing_figure_ends_in_one_line(tmp_path):
    report = write_report(tmp_path, facts())
    (tmp_path / "figures/calibration.svg").unlink()
    for form in ("html", "pdf"):
        result = render(report, form)
        assert result.returncode == 1
        assert result.stderr.startswith("error: ")
        assert "calibration.svg" in result.stderr
        assert "Traceback" not in result.stderr
        assert not report.with_suffix(f".{form}").exists()


def test_a_style_without_template_is_an_error(tmp_path):
    (tmp_path / "style/html").mkdir(parents=True)
    (tmp_path / "style/html/style.css").write_text("")
    result = render(write_report(tmp_path / "report", facts()), "html", tmp_path / "style")
    assert result.returncode == 1
    assert "--style has 0 files named template" in result.stderr


def test_rendering_imports_nothing_heavy(report):
    program = (
        "import sys, handgrad.stages.render\n"
        "heavy = {'torch', 'pandas', 'scipy', 'sklearn', 'matplotlib', 'numpy'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True).returncode == 0


def paragraph(*inlines):
    return {"t": "Para", "c": list(inlines)}


def string(text):
    return {"t": "Str", "c": text}


def span(name):
    return {"t": "Span", "c": [[name, [], []], [string(name)]]}


def test_a_caption_without_its_table_stays_a_paragraph():
    document = {"blocks": [paragraph(span("table-x"), string("caption")), paragraph(string("text"))]}
    for form in ("html", "pdf"):
        contents, *blocks = typeset(document, form)["blocks"]
        assert contents["t"] == "RawBlock"
        assert blocks == document["blocks"]


@pytest.mark.parametrize("form", ["html", "pdf"])
def test_a_report_that_pandoc_cannot_read_is_refused_by_name(tmp_path, form):
    report = write_report(tmp_path, facts())
    report.write_text("---\ntitle: [\n---\n")
    result = render(report, form)
    assert result.returncode == 1
    assert result.stderr.startswith(f"error: {report}: pandoc cannot read it (")
    assert "Error parsing YAML metadata" in result.stderr
    assert "Traceback" not in result.stderr
    assert not report.with_suffix(f".{form}").exists()
