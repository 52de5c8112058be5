"""Check a results folder against the hashes that its files record, without training anything."""

import argparse
from collections.abc import Iterator
from pathlib import Path

from handgrad.data.downloads import file_hash
from handgrad.errors import HandgradError
from handgrad.hyperparameters import Combination, run_path
from handgrad.stages.compare import files_sha256
from handgrad.stages.files import read_json


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="handgrad verify", description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=Path("results"))
    options = parser.parse_args(arguments)

    wrong = list(mismatches(options.results))
    if wrong:
        raise HandgradError("\n".join(wrong))
    print(f"{options.results}: every recorded hash is that of the file")


def mismatches(results: Path) -> Iterator[str]:
    """A line for each file that is not the one whose hash is recorded."""
    archive = results / "data/cifar-10-python.tar.gz"
    if file_hash(archive, "sha256") != read_json(results / "data/source.json")["sha256"]:
        yield f"{archive}: not the file that source.json describes"
    comparison = read_json(results / "comparison.json")
    for run in comparison["runs"] + comparison["others"]:
        for trainer, sha256 in run["sha256"].items():
            folder = results / "runs" / run_path(Combination.of(run), run["seed"]) / trainer
            if files_sha256(folder) != sha256:
                yield f"{folder}: not the training that comparison.json describes"
    model = results / "selected/model.safetensors"
    if file_hash(model, "sha256") != read_json(results / "selection.json")["selected"]["model_sha256"]:
        yield f"{model}: not the model that selection.json describes"
