"""Typeset the report as one HTML file or as a PDF."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pypandoc
import typst

from handgrad.errors import HandgradError
from handgrad.reporting.typesetting import CONTENTS, typeset
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import replacing, write_text

# No markup but Markdown's.
MARKDOWN = "markdown+alerts-raw_html-raw_tex-raw_attribute"
# Columns of tables are as wide as what they hold, however long their lines in the source.
NATURAL_WIDTHS = "--columns=10000"


@dataclass(frozen=True)
class Options:
    report: Annotated[Path, "report.md, with its figures in figures/ beside it"]
    format: Literal["html", "pdf"]
    style: Annotated[list[Path], "template.* and the files that it refers to"]
    output_document: Path


def main(options: Options) -> None:
    templates = [path for path in options.style if path.stem == "template"]
    if len(templates) != 1:
        raise HandgradError(f"--style has {len(templates)} files named template; expected one")
    markdown = options.report.read_text(encoding="utf-8")
    try:
        parsed = json.loads(pypandoc.convert_text(markdown, "json", MARKDOWN, [NATURAL_WIDTHS]))
    except RuntimeError as error:
        raise HandgradError(f"{options.report}: pandoc cannot read it ({error})") from error
    document = typeset(parsed, options.format)
    write = {"html": write_html, "pdf": write_pdf}[options.format]
    write(document, options.report.parent, templates[0], options.output_document)


def write_html(document: dict[str, Any], folder: Path, template: Path, output: Path) -> None:
    """One file that holds everything it shows."""
    arguments = [
        "--embed-resources",
        f"--resource-path={folder}:{template.parent}",
        "--mathml",
        "--section-divs",
        "--shift-heading-level-by=1",
        "--toc",
        "--toc-depth=3",
    ]
    html = converted(document, "html5", template, arguments)
    # Pandoc writes the alternative text of an SVG as a label, which a browser does not show in its place.
    html = html.replace('<img role="img" aria-label=', "<img alt=")
    html = re.sub(r"<th(?=[ >])", '<th scope="col"', html)
    contents = re.search(r"<nav.*?</nav>\n", html, re.DOTALL)
    if contents:
        html = html.replace(contents[0], "").replace(CONTENTS["html"], contents[0])
    write_text(output, html)


def write_pdf(document: dict[str, Any], folder: Path, template: Path, output: Path) -> None:
    """The fonts are those within the typst package, so that every machine sets the same pages."""
    source = converted(document, "typst", template, [])
    try:
        # Its stubs want input and root of one type, but a source in memory is bytes and a folder is a path.
        pdf = typst.compile(source.encode(), root=folder, ignore_system_fonts=True, timestamp=0)  # type: ignore[type-var]
    except typst.TypstError as error:
        raise HandgradError(f"{template}: {error}") from error
    with replacing(output) as temporary:
        temporary.write_bytes(pdf)


def converted(document: dict[str, Any], form: str, template: Path, arguments: list[str]) -> str:
    """The document in a form of Pandoc's, set in the template; headings numbered where it asks for that."""
    numbering = ["--number-sections"] if "numbersections" in document["meta"] else []
    arguments = ["--standalone", f"--template={template}", "--fail-if-warnings", *numbering, *arguments]
    try:
        text: str = pypandoc.convert_text(json.dumps(document), form, "json", extra_args=arguments)
    except RuntimeError as error:
        raise HandgradError(f"pandoc: {error}") from error
    return text


if __name__ == "__main__":
    run_stage(main, Options)
