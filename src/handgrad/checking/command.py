"""`handgrad check FILE...`: check scripts and notebooks in separate processes and print the diagnoses."""

import argparse
import sys
from pathlib import Path

from handgrad.checking.isolation import SECONDS, check_isolated
from handgrad.checking.results import Finding, Result


def main(arguments: list[str]) -> None:
    """Check the files; exit with status 1 if any of them has a mistake or cannot be checked."""
    parser = argparse.ArgumentParser(
        prog="handgrad check",
        description="Check the networks, backpropagation and training functions that files define.",
    )
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a script or notebook")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="for each file (default: %(default)s)")
    options = parser.parse_args(arguments)
    passed = True
    for file in options.files:
        checked = check_isolated(file, options.seconds)
        passed = passed and checked["passed"]
        findings = [Finding(**finding) for finding in checked["findings"]]
        print(checked["problem"] or f"{file}\n{Result(findings)}")
    sys.exit(0 if passed else 1)
