"""Overhead of the pipeline beyond the arithmetic of training: start-up, efficiency and scaling.

* Start-up: time of a one-epoch training on 64 images, relative to `python -c "import torch"`, in turns.
* Efficiency: for the default run with `--cores 2`, the floor (see training.py) of all its trainings divided
  by wall time x cores. The floor is measured before and after, on one core alone and on both at once.
* Growth: for 10, 100 and 1,000 combinations x 3 trainers, the time of `snakemake --dry-run` relative to that
  of a bare Snakefile with as many jobs and files, in turns; then the time of the stages from the comparison
  to the report. Only one tiny network is trained, and its files are copied for every run.

    python benchmarks/pipeline.py --output benchmarks/results
"""

import argparse
import json
import multiprocessing
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas
import torch
import yaml
from safetensors.torch import load_file, save_file
from training import draw, floor

from handgrad.stages.command_line import flags

ROOT = Path(__file__).resolve().parents[1]
TRAINERS = ["train", "train_manual_update", "train_manual_backprop"]
CORES = 2
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


def start_up(folder: Path, prepared: Path, turns: int) -> pandas.DataFrame:
    """Time one-epoch trainings on a few images of `prepared`, and their unavoidable start-up, in seconds."""
    for name in ("train", "validation"):
        tensors = load_file(prepared / f"results/data/{name}.safetensors")
        save_file({key: value[:64].clone() for key, value in tensors.items()}, folder / f"{name}.safetensors")
    options = {
        "train_data": "train.safetensors", "validation_data": "validation.safetensors",
        "lr": 0.01, "weight_decay": 0.01, "momentum": 0.9, "seed": 256, "epochs": 1,
        "batch_size": 64, "shuffle": False, "hidden": [8], "activation": "relu",
        "dtype": "float64", "device": "cpu", "threads": 1,
        "gradient_check_every": 0, "checkpoint_every": 0, "output_model": "m", "output_history": "h",
        "output_metrics": "e", "output_predictions": "p",
    }  # fmt: skip
    commands = {"import torch": ["-c", "import torch"]} | {
        trainer: ["-m", "handgrad.stages.train", *flags(options | {"trainer": trainer})]
        for trainer in TRAINERS
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(turns):
        for name, command in commands.items():
            start = time.perf_counter()
            subprocess.run([sys.executable, *command], cwd=folder, check=True, capture_output=True)
            times[name].append(time.perf_counter() - start)
    table = pandas.DataFrame(times)
    return pandas.DataFrame(
        {"seconds": table.median(), "ratio": table.div(table["import torch"], axis=0).median()}
    ).round(2)


def floor_epoch(_: int = 0) -> float:
    """Time the floor of one epoch of the default run, in seconds: 35 batches of 256 images and validation."""
    torch.set_num_threads(1)
    epoch = floor(draw(torch.float64, 35))
    times = []
    for _ in range(6):
        start = time.perf_counter()
        epoch()
        times.append(time.perf_counter() - start)
    return statistics.median(times[1:])


def efficiency(folder: Path) -> pandas.Series:
    """Return the wall time of the default run, and the fraction spent on its matrix products."""
    make_project(
        folder, yaml.safe_load((ROOT / "config.yaml").read_text()) | {"data": {"source": "synthetic"}}
    )
    alone, together = [], []
    with multiprocessing.get_context("spawn").Pool(CORES) as pool:
        alone += [pool.apply(floor_epoch)]
        together += pool.map(floor_epoch, range(CORES), chunksize=1)
        wall = snakemake(folder)
        alone += [pool.apply(floor_epoch)]
        together += pool.map(floor_epoch, range(CORES), chunksize=1)
    metrics = [json.loads(path.read_text()) for path in folder.glob("results/runs/**/metrics.json")]
    epochs = sum(metric["epochs"] for metric in metrics)
    return pandas.Series(
        {
            "trainings": len(metrics),
            "epochs": epochs,
            "wall (s)": wall,
            "floor of an epoch, one core alone (s)": statistics.mean(alone),
            "floor of an epoch, both cores at once (s)": statistics.mean(together),
            "efficiency, one core alone": epochs * statistics.mean(alone) / (wall * CORES),
            "efficiency, both cores at once": epochs * statistics.mean(together) / (wall * CORES),
        }
    ).round(3)


def tiny_config(combinations: int) -> dict:
    """Return a config with `combinations` tiny networks: 10 learning rates, several momenta."""
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
    """Run Snakemake in `folder` and return the elapsed time in seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", str(CORES), *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def make_project(folder: Path, config: dict) -> None:
    folder.mkdir()
    for name in ("Snakefile", "workflow", "src", "report", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def train_one(folder: Path) -> None:
    """Prepare the data and train the first combination with every trainer."""
    run = "results/runs/lr~0.01/weight_decay~0.0/momentum~0.0/seed~256"
    files = [f"{run}/{trainer}/model.safetensors" for trainer in TRAINERS]
    snakemake(folder, *files, "results/gradients/check.json", "results/baselines/baselines.json")


def fill_runs(source: Path, folder: Path) -> None:
    """Copy the results of `source`, duplicating its one run for each combination."""
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
    make_project(folder, tiny_config(combinations))
    times = [(snakemake(folder, "--dry-run"), snakemake(bare, "--dry-run")) for _ in range(turns)]

    fill_runs(source, folder)
    wall = snakemake(folder)
    benchmarks = {
        stage: pandas.read_csv(folder / f"logs/benchmarks/{stage}.tsv", sep="\t") for stage in STAGES
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
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for start_up, efficiency and growth.csv"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tiny = folder / "tiny"
        make_project(tiny, tiny_config(10))
        train_one(tiny)
        (folder / "start_up").mkdir()
        report(start_up(folder / "start_up", tiny, options.turns), options.output / "start_up.csv")
        rows = [
            measure(tiny, folder / str(combinations), combinations, options.turns)
            for combinations in options.combinations
        ]
        report(pandas.DataFrame(rows).set_index("combinations").T, options.output / "growth.csv")
        report(efficiency(folder / "default").to_frame("default run"), options.output / "efficiency.csv")


def report(table: pandas.DataFrame, path: Path) -> None:
    table.to_csv(path)
    print(f"\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()
