"""Fill the report's template with the facts."""

import argparse
from pathlib import Path

from jinja2 import FileSystemLoader

from handgrad.reporting.composing import compose
from handgrad.stages.plumbing import read_json, run_stage, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--facts", type=Path, required=True)
    parser.add_argument("--template", type=Path, required=True, help="others are found beside it")
    parser.add_argument("--output", type=Path, required=True, help="its figures are in figures/, beside it")
    options = parser.parse_args()

    loader = FileSystemLoader(options.template.parent)
    write_text(options.output, compose(loader, options.template.name, read_json(options.facts)))


if __name__ == "__main__":
    run_stage(main)
