"""Check that a results folder supports what its report states, without training anything.

Every file is compared with the manifest of the job that wrote it, every manifest with those of the jobs whose
output it read, and the numbers in facts.json are recomputed from the other files.
"""

import argparse
import json
import math
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handgrad.errors import HandgradError
from handgrad.hyperparameters import run_path
from handgrad.pipeline.config import combinations
from handgrad.pipeline.manifests import Hashes, altered, stale
from handgrad.reporting.facts import assemble
from handgrad.stages.facts import read_history
from handgrad.stages.files import read_json

REQUIRED = "manifests/facts.json"


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="handgrad verify", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    results = parser.parse_args(arguments).results

    start = time.monotonic()
    if not (results / REQUIRED).is_file():
        raise HandgradError(f"{results}: has no {REQUIRED}; expected the results of a finished run")
    hashes = Hashes()
    problems = [*altered(results, hashes).values(), *stale(results)]
    if not problems:
        problems = list(false_facts(results))
    if problems:
        raise HandgradError("\n  ".join([f"{results} is not what its report states:", *problems]))
    print(
        f"{results}: {len(hashes.used)} files are as their jobs wrote them and as other jobs read them, "
        f"and facts.json follows from them ({time.monotonic() - start:.1f} s)"
    )


def false_facts(results: Path) -> Iterator[str]:
    """Yield a line for each value in facts.json that disagrees with the other files."""
    facts = read_json(results / "facts.json")
    records = {
        "source": "data/source.json",
        "summary": "data/summary.json",
        "gradient_check": "gradients/check.json",
        "comparison": "comparison.json",
        "selection": "selection.json",
        "baselines": "baselines/baselines.json",
        "evaluation": "evaluation/evaluation.json",
    }
    config = facts["config"]
    # A run is identified by its folder in the original project, even if the results have been moved.
    selected = read_json(results / "selection.json")["selected"]
    project = selected["run"].partition("runs/")[0]
    histories = []
    for combination in combinations(config):
        for seed in config["training"]["seeds"]:
            run = f"runs/{run_path(combination, seed)}"
            history = read_history(results / run, selected["trainer"])
            histories.append(history | {"run": f"{project}{run}/{selected['trainer']}"})
    try:
        derived = assemble(
            config=config,
            histories=histories,
            provenance=facts["provenance"],
            **{name: read_json(results / path) for name, path in records.items()},
        )
    except (LookupError, TypeError):
        yield "facts.json: of another version of handgrad; verify it with the commit that the report names"
        return
    # Round-trip through JSON, which turns tuples into lists.
    yield from _differences(facts, json.loads(json.dumps(derived)), "facts.json: ")


def _differences(found: Any, derived: Any, name: str) -> Iterator[str]:
    if isinstance(found, dict) and isinstance(derived, dict):
        for key in sorted(found.keys() | derived.keys()):
            yield from _differences(found.get(key), derived.get(key), f"{name}.{key}".replace(" .", " "))
    elif isinstance(found, list) and isinstance(derived, list) and len(found) == len(derived):
        for position, pair in enumerate(zip(found, derived, strict=True)):
            yield from _differences(*pair, f"{name}[{position}]")
    elif isinstance(found, float) and isinstance(derived, float):
        # Rounding may differ between machines.
        if not math.isclose(found, derived, rel_tol=1e-9):
            yield f"{name} is {found}; the other files give {derived}"
    elif found != derived:
        yield f"{name} is {str(found)[:80]}; the other files give {str(derived)[:80]}"
