"""Reports rendered from made-up facts, with made-up figures."""

import json
import re
import subprocess
import sys
from pathlib import Path

from helpers.projects import ROOT
from jinja2 import FileSystemLoader
from PIL import Image

from handgrad.reporting.composing import compose

TEMPLATES = FileSystemLoader(ROOT / "report")
BIBLIOGRAPHY = ROOT / "report/references.bib"
SVG = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="270" viewBox="0 0 480 270">'
    '<rect width="480" height="270" fill="#dde"/><path d="M20 250L460 20" stroke="#225" fill="none"/></svg>'
)


def write_report(folder: Path, facts: dict) -> Path:
    """Write the report.md of the facts to `folder`, with facts.json and a file for each figure."""
    folder.mkdir(parents=True, exist_ok=True)
    text = compose(TEMPLATES, "report.md.j2", facts, BIBLIOGRAPHY)
    for path in re.findall(r"\]\((figures/[^)]+)\)", text):
        figure = folder / path
        figure.parent.mkdir(exist_ok=True)
        if figure.suffix == ".svg":
            figure.write_text(SVG)
        else:
            Image.new("RGB", (480, 270), "#dde").save(figure)
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "report.md").write_text(text, encoding="utf-8")
    return folder / "report.md"


def render(report: Path, form: str, style: Path = ROOT / "report/style") -> subprocess.CompletedProcess[str]:
    """Run the stage `render`, which writes report.html or report.pdf next to report.md."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "handgrad.stages.render"),
            *("--report", report, "--facts", report.with_name("facts.json"), "--format", form),
            *("--style", *sorted((style / form).iterdir())),
            *("--output-document", report.with_suffix(f".{form}")),
        ],
        capture_output=True,
        text=True,
    )


def rendered(report: Path, form: str) -> Path:
    """Render the report in a format and return it; rendering must succeed."""
    result = render(report, form)
    assert result.returncode == 0, result.stderr
    return report.with_suffix(f".{form}")
