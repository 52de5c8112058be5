"""Markup in the title, the authors and an archive's path remains plain text through the whole pipeline."""

import json
from html.parser import HTMLParser

import pytest
from helpers.projects import read_config, run, write_config

TITLE = (
    "<script>document.title='run'</script> & <b>bold</b> *x* _y_ `z` $e^x$ [l](http://e.org) {{ 7*7 }} #q \\n"
)
AUTHORS = [
    'Ada "<img src=x onerror=alert(1)>"',
    "Emmy'; touch here; '",
    "$(touch here) `touch here` {output}",
]
ARCHIVE = "the 'old' \"one\" & $(touch here) `touch here`; #1 *.tar.gz"


class Text(HTMLParser):
    """Collects the text of a page, and the names of its elements and attributes.

    Elements within <pre>, where the config is printed, highlight the text and so depend on it.
    """

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.attributes = set()
        self.text = []
        self.listing = False
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.listing = self.listing or tag == "pre"
        if not (self.listing and tag in ("span", "a")):
            self.elements.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_endtag(self, tag):
        self.listing = self.listing and tag != "pre"

    def handle_data(self, data):
        if self.elements[-1:] not in (["style"], ["script"]):
            self.text.append(data)


@pytest.fixture
def marked(project):
    config = read_config(project)
    config["report"] = {"title": TITLE, "authors": AUTHORS}
    write_config(project, config)
    return project


def test_markup_in_title_and_authors_stays_text_and_runs_nothing(finished_run, marked):
    run(marked)
    plain = Text((finished_run[0] / "results/report.html").read_text())
    page = Text((marked / "results/report.html").read_text())
    text = " ".join("".join(page.text).split())
    assert TITLE in text
    assert all(author in text for author in AUTHORS)
    assert page.elements == plain.elements
    assert page.attributes == plain.attributes
    assert (marked / "results/report.pdf").read_bytes().startswith(b"%PDF-")
    assert not list(marked.rglob("here"))


def test_markup_in_the_archive_s_path_stays_text_and_runs_nothing(project):
    config = read_config(project)
    (project / "results/data/cifar-10-python.tar.gz").rename(project / ARCHIVE)
    config["data"] |= {"source": "archive", "archive": ARCHIVE, "mirrors": ["http://127.0.0.1:1/{x}{{y}}"]}
    write_config(project, config)
    run(project)
    assert json.loads((project / "results/data/source.json").read_text())["location"] == ARCHIVE
    page = Text((project / "results/report.html").read_text())
    assert ARCHIVE in " ".join("".join(page.text).split())
    assert not list(project.rglob("here"))
