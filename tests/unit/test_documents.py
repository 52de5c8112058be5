"""The documents contain no placeholders and no dead links, and describe every section of the config."""

import re
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
DOCUMENTS = sorted(
    [*ROOT.glob("*.md"), *ROOT.glob("config/*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("report/**/*.j2")]
)
# Placeholders for text that is not yet written.
PLACEHOLDER = re.compile(
    r"\b(TODO|FIXME|TBD|XXX|PLACEHOLDER)\b|^\s*[A-Z]{4,}(-[A-Z]+)*\s*$|\blorem ipsum\b", re.MULTILINE
)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_no_placeholder_is_left(path):
    assert not [match[0] for match in PLACEHOLDER.finditer(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("text", ["a\n\nGROUPING-TABLE\n", "TODO: sizes", "See TBD.", "  FIGURE\n"])
def test_a_placeholder_is_found(text):
    assert PLACEHOLDER.search(text)


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path):
    links = re.findall(r"\]\(([^)#:{ ]+)\)", path.read_text(encoding="utf-8"))
    if path.suffix == ".md":
        assert [link for link in links if not (path.parent / link).exists()] == []


def test_the_config_readme_describes_every_key_of_the_config():
    text = (ROOT / "config/README.md").read_text(encoding="utf-8")
    first_cells = re.findall(r"^\| (`.*?) \|", text, re.MULTILINE)
    described = [key for cell in first_cells for key in re.findall(r"`(\w+)`", cell)]
    assert described == list(yaml.safe_load((ROOT / "config.yaml").read_text(encoding="utf-8")))
