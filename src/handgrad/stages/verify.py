"""Check that a results folder supports what its report states, without training anything.

Every file is compared with the manifest of the job that wrote it, every manifest with those of the jobs whose
output it read, and the numbers in facts.json are recomputed from the other files.
"""

import argparse
import json
import math
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from handgrad.errors import HandgradError
from handgrad.hyperparameters import run_path
from handgrad.pipeline.config import combinations
from handgrad.pipeline.manifests import Hashes, read_manifest, unsupported
from handgrad.reporting.facts import assemble
from handgrad.stages.facts import read_history
from handgrad.stages.files import read_json

FACTS = "manifests/facts.json"
# The arguments of `assemble` that are read from a file each.
RECORDS = {
    "source": "source.json",
    "summary": "summary.json",
    "gradient_check": "check.json",
    "comparison": "comparison.json",
    "selection": "selection.json",
    "baselines": "baselines.json",
    "evaluation": "evaluation.json",
}


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="handgrad verify", description=__doc__)
    parser.add_argument(
        "results",
        type=Path,
        nargs="?",
        default=Path("results"),
        help="results, with all experiments in it, or results/NAME; default: results",
    )
    results = parser.parse_args(arguments).results.resolve()

    store = store_of(results)
    folders = [results] if store != results else [results, *sorted(results.iterdir())]
    experiments = [folder for folder in folders if (folder / FACTS).is_file()]
    if not experiments:
        raise HandgradError(f"{results}: has no {FACTS}; expected the results of a finished run")
    for experiment in experiments:
        verify(experiment, store)


def store_of(results: Path) -> Path:
    """The folder that holds the prepared data and the runs of a results folder: it, or the folder above it.

    Raises:
        HandgradError: if neither holds them.
    """
    if not results.is_dir():
        raise HandgradError(f"{results}: there is no such folder; expected the results of a finished run")
    above = results.parent
    for folder in (results, above):
        if (folder / "data").is_dir() and (folder / "runs").is_dir():
            return folder
    raise HandgradError(
        f"{results}: neither it nor {above} contains data/ and runs/, from which its report was made; "
        "a copy of results/NAME needs results/data, results/manifests and results/runs next to it"
    )


def verify(results: Path, store: Path) -> None:
    """Check the results of one experiment, and print a line if they hold.

    Raises:
        HandgradError: with a line for each contradiction.
    """
    start = time.monotonic()
    hashes = Hashes()
    problems = unsupported(results, store, hashes)
    if not problems:
        problems = [*unlisted_documents(results, hashes), *false_facts(results)]
    if problems:
        raise HandgradError("\n  ".join([f"{results} is not what its report states:", *problems]))
    print(
        f"{results}: {len(hashes.used)} files are as their jobs wrote them and as other jobs read them, "
        f"and facts.json follows from them ({time.monotonic() - start:.1f} s)"
    )


def unlisted_documents(results: Path, hashes: Hashes) -> Iterator[str]:
    """Yield a line for each document of the report that no manifest lists."""
    for ending in read_json(results / "facts.json")["config"]["report"]["formats"]:
        document = results / f"report.{ending}"
        if str(document) not in hashes.used:
            yield f"{document}: no manifest lists it"


def false_facts(results: Path) -> Iterator[str]:
    """Yield a line for each value in facts.json that disagrees with the other files."""
    facts = read_json(results / "facts.json")
    inputs = [
        Path(os.path.normpath((results / FACTS).parent / name))
        for name in read_manifest(results / FACTS).inputs
    ]
    files = {path.name: path for path in inputs}
    config = facts["config"]
    try:
        records = {name: read_json(files[file]) for name, file in RECORDS.items()}
        derived = assemble(
            config=config,
            histories=_histories(config, records["selection"]["selected"], inputs),
            provenance=facts["provenance"],
            **records,
        )
    except (LookupError, TypeError, ValueError):
        yield "facts.json: of another version of handgrad; verify it with the commit that the report names"
        return
    # Round-trip through JSON, which turns tuples into lists.
    yield from _differences(facts, json.loads(json.dumps(derived)), "facts.json: ")


def _histories(config: dict[str, Any], selected: dict[str, Any], inputs: list[Path]) -> list[dict[str, Any]]:
    """Read the histories in config order; `inputs` are the files from which facts.json was made."""
    names = [
        f"{run_path(combination, seed)}/{selected['trainer']}"
        for combination in combinations(config)
        for seed in config["training"]["seeds"]
    ]
    # A run is identified by its folder in the original project, even if the results have been moved.
    [project] = [selected["run"].removesuffix(name) for name in names if selected["run"].endswith(f"/{name}")]
    folders = [path.parent for path in inputs if path.name == "history.csv"]
    histories = []
    for name in names:
        [folder] = [folder for folder in folders if folder.as_posix().endswith(f"/{name}")]
        histories.append(read_history(folder.parent, folder.name) | {"run": f"{project}{name}"})
    return histories


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
