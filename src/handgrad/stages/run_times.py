"""List each job's run time, from Snakemake's benchmark files, and the expected run time of trainings."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from handgrad.stages.command_line import run_stage
from handgrad.stages.files import read_json, write_text


@dataclass(frozen=True)
class Options:
    benchmarks: Annotated[Path, "folder of Snakemake's benchmark files, .tsv"]
    training_benchmarks: Annotated[Path, "folder of those of trainings"]
    runs: Annotated[list[str], "folders in it"]
    trainers: list[str]
    facts: Annotated[Path, "with the expected time of a training"]
    output_run_times: Path


def main(options: Options) -> None:
    expected = read_json(options.facts)["cost"]["seconds_by_run"]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["job", "seconds", "max_rss_mb", "expected_seconds", "ratio"])
    jobs = {path.stem: path for path in options.benchmarks.glob("*.tsv")}
    for run in options.runs:
        for trainer in options.trainers:
            jobs[f"train/{run}/{trainer}"] = options.training_benchmarks / run / f"{trainer}.tsv"
    # Not every run is trained by every trainer.
    for job, path in sorted((job, path) for job, path in jobs.items() if path.exists()):
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                of_training = ["", ""]
                # A training's job is named train/RUN/TRAINER.
                run = job.removeprefix("train/").rpartition("/")[0]
                if seconds := expected.get(run):
                    of_training = [f"{seconds:.4g}", f"{float(row['s']) / seconds:.3g}"]
                writer.writerow([job, row["s"], row["max_rss"], *of_training])
    write_text(options.output_run_times, table.getvalue())


if __name__ == "__main__":
    run_stage(main, Options)
