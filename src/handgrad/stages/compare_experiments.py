"""Compare finished experiments: their configs, selected models, leaderboards, learning curves and cost."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pandas as pd

from handgrad.reporting.experiments import Experiment, assemble_experiments
from handgrad.reporting.figures.experiments import experiment_curves
from handgrad.reporting.figures.style import save
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, replacing, write_json


@dataclass(frozen=True)
class Options:
    names: Annotated[list[str], "of the experiments"]
    facts: Annotated[list[Path], "one for each experiment"]
    predictions: Annotated[list[Path], "one for each experiment"]
    output_facts: Path
    output_curves: Path


def main(options: Options) -> None:
    experiments = [
        Experiment(name, read_json(facts), pd.read_csv(predictions))
        for name, facts, predictions in zip(options.names, options.facts, options.predictions, strict=True)
    ]
    histories = {
        one.name: pd.read_csv(Path(one.facts["selection"]["selected"]["run"]) / "history.csv")
        for one in experiments
    }
    with replacing(options.output_curves) as temporary:
        save(experiment_curves(histories), temporary, "svg")
    write_json(options.output_facts, assemble_experiments(experiments))


if __name__ == "__main__":
    run_stage(main, Options)
