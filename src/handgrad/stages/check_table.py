"""Summarise the checks of all submitted files in one table, with a row per file."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import FileSystemLoader

from handgrad.checking.loading import PARTS
from handgrad.checking.results import BY_HAND
from handgrad.reporting.composing import compose
from handgrad.reporting.wording import escaped
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, write_text

LONGEST = 120  # maximum characters of a summary in a cell


@dataclass(frozen=True)
class Options:
    checks: list[Path]
    template: Path
    output_page: Path
    output_table: Path


def main(options: Options) -> None:
    checks = [{"name": path.parent.name, **read_json(path)} for path in options.checks]
    rows = sorted(map(row, checks), key=lambda row: str(row["name"]))
    with io.StringIO(newline="") as text:
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["file", "result", "problem", *PARTS])
        writer.writerows([row["file"], row["result"], row["problem"], *row["parts"]] for row in rows)
        write_text(options.output_table, text.getvalue())
    loader = FileSystemLoader(options.template.parent)
    facts = {
        "rows": rows,
        "parts": PARTS,
        "files": len(rows),
        "correct": sum(row["result"] == "correct" for row in rows),
    }
    write_text(options.output_page, compose(loader, options.template.name, facts))


def row(check: dict[str, Any]) -> dict[str, Any]:
    """Return a file's row: for each part, that it is correct, its mistakes, or empty if it is missing."""
    result = "unusable" if check["problem"] else "correct" if check["passed"] else "wrong"
    problem = check["problem"].removeprefix(check["file"]).lstrip(":, ")
    return {
        "name": check["name"],
        "file": check["file"],
        "link": escaped(check["file"]) if check["problem"] else _link(check),
        "result": result,
        "problem": problem,
        "parts": [_part(check["findings"], part) for part in PARTS],
    }


def _part(findings: list[dict[str, Any]], part: str) -> str:
    of_part = [finding for finding in findings if finding["part"] == part]
    wrong = [finding for finding in of_part if finding["status"] == "failed"]
    if not of_part:
        return ""
    if wrong:
        return "; ".join(" and ".join(finding["mistakes"]) or _short(finding["summary"]) for finding in wrong)
    if not any(finding["status"] == "passed" for finding in of_part):
        return "not checked"
    by_hand = all(finding["check"] != BY_HAND for finding in of_part)
    return "correct" if by_hand else "correct, but not by hand"


def _link(check: dict[str, Any]) -> str:
    return f"[{escaped(check['file'])}]({check['name']}/report.html)"


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 3]}..."


if __name__ == "__main__":
    run_stage(main, Options)
