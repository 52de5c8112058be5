"""How the pipeline grows with the number of combinations: planning, and everything after the trainings.

For 10, 100 and 1,000 combinations x 3 trainers it times `snakemake --dry-run` beside a bare Snakefile with as
many jobs and files, in turns, and then the stages from the comparison to the report. The trainings are not
repeated: one tiny network is trained, and its files stand for every run, with other hyperparameters in them.

    python benchmarks/growth.py --output benchmarks/results
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas
import yaml

ROOT = Path(__file__).resolve().parents[1]
TRAINERS = ["train", "train_manual_update", "train_manual_backprop"]
STAGES = ["compare", "select", "evaluate", "figures", "facts", "report", "render_html", "render_pdf"]
BARE = """
rule all:
    input: expand("results/{{i}}/model.safetensors", i=range({jobs}))
rule train:
    input: train="train.safetensors", validation="validation.safetensors"
    output: multiext("results/{{i}}/", "model.safetensors", "history.csv", "metrics.json", "predictions.csv")
    log: "logs/{{i}}.log"
    benchmark: "benchmarks/{{i}}.tsv"
    shell: "touch {{output}} 2> {{log}}"
"""


def config(combinations: int) -> dict:
    """A config of tiny networks with so many combinations: 10 learning rates, and the rest as momenta."""
    return {
        "data": {"source": "synthetic"},
        "model": {"hidden": [4]},
        "training": {"epochs": 2},
        "grid": {
            "lr": [round(0.01 * k, 2) for k in range(1, 11)],
            "weight_decay": [0.0],
            "momentum": [round(k / combinations, 4) for k in range(combinations // 10)],
        },
    }


def snakemake(folder: Path, *options: str) -> float:
    """Run Snakemake in `folder` and return the seconds that it took."""
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--quiet", "all", *options]
    subprocess.run(command, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def make_project(folder: Path, combinations: int) -> None:
    folder.mkdir()
    for name in ("Snakefile", "workflow", "src", "report", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config.yaml").write_text(yaml.safe_dump(config(combinations)))


def train_one(folder: Path) -> None:
    """Prepare the data and train the first combination with every trainer."""
    run = "results/runs/lr~0.01/weight_decay~0.0/momentum~0.0/seed~256"
    files = [f"{run}/{trainer}/model.safetensors" for trainer in TRAINERS]
    snakemake(folder, *files, "results/gradients/check.json", "results/baselines/baselines.json")


def fill_runs(source: Path, folder: Path) -> None:
    """The results of `source`, with its one run copied for each combination."""
    shutil.copytree(source / "results", folder / "results", ignore=shutil.ignore_patterns("runs"))
    one = source / "results/runs/lr~0.01/weight_decay~0.0/momentum~0.0/seed~256"
    grid = yaml.safe_load((folder / "config.yaml").read_text())["grid"]
    for lr in grid["lr"]:
        for momentum in grid["momentum"]:
            run = folder / f"results/runs/lr~{lr}/weight_decay~0.0/momentum~{momentum}/seed~256"
            shutil.copytree(one, run)
            for trainer in TRAINERS:
                metrics = json.loads((run / trainer / "metrics.json").read_text())
                metrics |= {"lr": lr, "momentum": momentum}
                (run / trainer / "metrics.json").write_text(json.dumps(metrics))


def measure(source: Path, folder: Path, combinations: int, turns: int) -> dict[str, float]:
    bare = folder.with_name(f"{folder.name}-bare")
    bare.mkdir()
    (bare / "Snakefile").write_text(BARE.format(jobs=3 * combinations))
    for name in ("train.safetensors", "validation.safetensors"):
        (bare / name).touch()
    make_project(folder, combinations)
    times = [(snakemake(folder, "--dry-run"), snakemake(bare, "--dry-run")) for _ in range(turns)]

    fill_runs(source, folder)
    wall = snakemake(folder)
    benchmarks = {
        stage: pandas.read_csv(folder / f"results/benchmarks/{stage}.tsv", sep="\t") for stage in STAGES
    }
    return {
        "combinations": combinations,
        "dry run (s)": round(statistics.median(ours for ours, _ in times), 2),
        "bare (s)": round(statistics.median(bare for _, bare in times), 2),
        "ratio": round(statistics.median(ours / bare for ours, bare in times), 2),
        "after the trainings (s)": round(wall, 1),
        **{f"{stage} (s)": round(float(table.s[0]), 1) for stage, table in benchmarks.items()},
        "largest memory (MB)": round(max(float(table.max_rss[0]) for table in benchmarks.values())),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--combinations", type=int, nargs="+", default=[10, 100, 1000])
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--output", type=Path, required=True, help="folder for growth.csv")
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as temporary:
        source = Path(temporary) / "source"
        make_project(source, 10)
        train_one(source)
        rows = [
            measure(source, Path(temporary) / str(combinations), combinations, options.turns)
            for combinations in options.combinations
        ]
    table = pandas.DataFrame(rows).set_index("combinations").T
    options.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output / "growth.csv")
    print(table.to_string())


if __name__ == "__main__":
    main()
