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
from handgrad.stages.files import read_json, replacing, write_text

# Only Markdown markup: no raw HTML or TeX.
MARKDOWN = "markdown+alerts-raw_html-raw_tex-raw_attribute"
# Size table columns by their content, no matter how long the lines in the source are.
NATURAL_WIDTHS = "--columns=10000"
# Where the HTML template takes the data of the interactive figure.
CURVES = "<!--curves-->"


@dataclass(frozen=True)
class Options:
    report: Annotated[Path, "report.md, with its figures in figures/ beside it"]
    format: Literal["html", "pdf"]
    style: Annotated[list[Path], "template.* and the files that it refers to"]
    output_document: Path
    facts: Annotated[Path | None, "whose curves become an interactive figure in HTML"] = None


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
    folder, output = options.report.parent, options.output_document
    if options.format == "pdf":
        write_pdf(document, folder, templates[0], output)
    else:
        curves = read_json(options.facts)["curves"] if options.facts else None
        write_html(document, folder, templates[0], curves, output)


def write_html(
    document: dict[str, Any], folder: Path, template: Path, curves: dict[str, Any] | None, output: Path
) -> None:
    """Write a self-contained HTML file, with the data of its interactive figure."""
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
    # Pandoc writes the alt text of an SVG as aria-label, which browsers do not show for a missing image.
    html = html.replace('<img role="img" aria-label=', "<img alt=")
    html = re.sub(r"<th(?=[ >])", '<th scope="col"', html)
    contents = re.search(r"<nav.*?</nav>\n", html, re.DOTALL)
    if contents:
        html = html.replace(contents[0], "").replace(CONTENTS["html"], contents[0])
    if curves:
        # "</" would end the script element, whatever is around it.
        data = json.dumps(curves, separators=(",", ":")).replace("</", "<\\/")
        html = html.replace(CURVES, f'<script type="application/json" id="curves">{data}</script>')
    write_text(output, html)


def write_pdf(document: dict[str, Any], folder: Path, template: Path, output: Path) -> None:
    """Write a PDF; only the fonts bundled with typst are used, so that it looks the same everywhere."""
    source = converted(document, "typst", template, [])
    try:
        # The stubs require input and root to have the same type, but here they are bytes and a path.
        pdf = typst.compile(source.encode(), root=folder, ignore_system_fonts=True, timestamp=0)  # type: ignore[type-var]
    except typst.TypstError as error:
        raise HandgradError(f"{template}: {error}") from error
    with replacing(output) as temporary:
        temporary.write_bytes(pdf)


def converted(document: dict[str, Any], form: str, template: Path, arguments: list[str]) -> str:
    """Convert the document with a Pandoc writer and template; headings are numbered if it asks for that."""
    numbering = ["--number-sections"] if "numbersections" in document["meta"] else []
    arguments = ["--standalone", f"--template={template}", "--fail-if-warnings", *numbering, *arguments]
    try:
        text: str = pypandoc.convert_text(json.dumps(document), form, "json", extra_args=arguments)
    except RuntimeError as error:
        raise HandgradError(f"pandoc: {error}") from error
    return text


if __name__ == "__main__":
    run_stage(main, Options)
