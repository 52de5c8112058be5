"""Fill in the report template with the facts."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from jinja2 import FileSystemLoader

from handgrad.reporting.composing import compose
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, write_text


@dataclass(frozen=True)
class Options:
    facts: Path
    template: Annotated[Path, "with the templates that it includes beside it"]
    output_report: Annotated[Path, "refers to figures/ beside it"]
    bibliography: Annotated[Path | None, "in BibTeX"] = None


def main(options: Options) -> None:
    loader = FileSystemLoader(options.template.parent)
    facts = read_json(options.facts)
    report = compose(loader, options.template.name, facts, options.bibliography)
    write_text(options.output_report, report)


if __name__ == "__main__":
    run_stage(main, Options)
