"""Title and authors with markup in them, through the whole pipeline: they stay text in every format."""

from html.parser import HTMLParser

import pytest
from projects import read_config, run, write_config

TITLE = (
    "<script>document.title='run'</script> & <b>bold</b> *x* _y_ `z` $e^x$ [l](http://e.org) {{ 7*7 }} #q \\n"
)
AUTHORS = [
    'Ada "<img src=x onerror=alert(1)>"',
    "Emmy'; touch here; '",
    "$(touch here) `touch here` {output}",
]


class Text(HTMLParser):
    """The text of the page's headline and of its authors, and the names of all elements and attributes."""

    def __init__(self, html):
        super().__init__()
        self.elements = []
        self.attributes = set()
        self.text = []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append(tag)
        self.attributes |= {name for name, _ in attributes}

    def handle_data(self, data):
        if self.elements[-1] not in ("style", "script"):
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
