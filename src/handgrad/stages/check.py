"""Check one submitted file in a separate process, and plot the findings."""

import hashlib
import signal
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from handgrad.checking.isolation import SECONDS, check_isolated
from handgrad.reporting.figures.checks import gradient_errors, trajectories
from handgrad.reporting.figures.style import save
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import replacing, write_json


@dataclass(frozen=True)
class Options:
    submission: Annotated[Path, "a script or notebook"]
    output_check: Path
    output_figures: Annotated[Path, "a folder"]
    seconds: int = SECONDS


def main(options: Options) -> None:
    # As SIGINT does, end the worker and remove its scratch folder; by default, both would stay behind.
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    content = options.submission.read_bytes()
    check = check_isolated(options.submission, options.seconds)
    options.output_figures.mkdir(parents=True, exist_ok=True)
    for finding in check["findings"]:
        finding["figure"] = draw(finding, options.output_figures, check["file"])
    write_json(options.output_check, {**check, "sha256": hashlib.sha256(content).hexdigest()})


def draw(finding: dict[str, Any], folder: Path, name: str) -> str:
    """Draw the figure of a finding and return its file name; empty if the finding has none."""
    data = finding["data"]
    if data.get("errors"):
        figure = gradient_errors(data["errors"], name)
    elif data.get("trajectories"):
        figure = trajectories(data["trajectories"], f"{name}, {finding['part']}")
    else:
        return ""
    file = f"{finding['part']}_{finding['check']}.svg"
    with replacing(folder / file) as temporary:
        save(figure, temporary, "svg")
    return file


if __name__ == "__main__":
    run_stage(main, Options)
