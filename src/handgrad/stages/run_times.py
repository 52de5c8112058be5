"""List how long every job took, from the benchmark files that Snakemake wrote."""

import argparse
import csv
import io
from pathlib import Path

from handgrad.stages.plumbing import run_stage, write_text


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--benchmarks", type=Path, required=True, help="the folder of Snakemake's .tsv files")
    parser.add_argument("--output", type=Path, required=True)
    options = parser.parse_args()

    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["job", "seconds", "max_rss_mb"])
    for path in sorted(options.benchmarks.rglob("*.tsv")):
        job = path.relative_to(options.benchmarks).as_posix().removesuffix(".tsv")
        with path.open(encoding="utf-8", newline="") as file:
            writer.writerows([job, row["s"], row["max_rss"]] for row in csv.DictReader(file, delimiter="\t"))
    write_text(options.output, table.getvalue())


if __name__ == "__main__":
    run_stage(main)
