"""List how long every job took, by Snakemake's benchmark files, and how long trainings should take."""

import argparse
import csv
import io
from pathlib import Path

from handgrad.stages.plumbing import read_json, run_stage, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", type=Path, required=True, help="the folder of Snakemake's .tsv files")
    parser.add_argument("--facts", type=Path, required=True, help="with the expected time of a training")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    expected = read_json(options.facts)["cost"]["training_seconds"]
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["job", "seconds", "max_rss_mb", "expected_seconds", "ratio"])
    for path in sorted(options.benchmarks.rglob("*.tsv")):
        job = path.relative_to(options.benchmarks).as_posix().removesuffix(".tsv")
        with path.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file, delimiter="\t"):
                of_training = ["", ""]
                if job.startswith("train/"):
                    of_training = [f"{expected:.4g}", f"{float(row['s']) / expected:.3g}"]
                writer.writerow([job, row["s"], row["max_rss"], *of_training])
    write_text(options.output, table.getvalue())


if __name__ == "__main__":
    run_stage(main)
