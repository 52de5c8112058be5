"""Overhead of the pipeline beyond the arithmetic of training: start-up, efficiency and scaling.

* Start-up: time of a one-epoch training on 64 images, relative to `python -c "import torch"`, in turns.
* Efficiency: for the default run with `--cores 2`, the floor (see training.py) of all its trainings divided
  by wall time x cores. The floor is measured before and after, on one core alone and on both at once.
* Growth: for 10, 100, 1,000 and 10,000 combinations x 3 trainers, the processor time of `snakemake --dry-run`
  relative to that of a bare Snakefile with as many jobs and files, in turns, and its memory; then the time of
  the stages from the comparison to the report. Only one tiny network is trained, and its files are copied for
  every run.
* Proof: the time to train 20 combinations, two of them with all three trainers, relative to training them
  with one trainer alone, in turns.

    python benchmarks/pipeline.py --output benchmarks/results
    python benchmarks/pipeline.py --output benchmarks/results --only growth --combinations 10000 --turns 1
"""

import argparse
import json
import multiprocessing
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import pandas
import torch
import yaml
from safetensors.torch import load_file, save_file
from training import draw, floor

from handgrad.hyperparameters import run_path
from handgrad.pipeline.config import combinations, read_schema, validated
from handgrad.pipeline.manifests import file_sha256, manifest_text
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
    output:
        multiext("results/{{i}}/", "model.safetensors", "history.csv", "metrics.json", "predictions.csv"),
        "results/{{i}}/manifest.json",
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
        "gradient_check_every": 0, "checkpoint_every": 0, "keep": "last",
        "output_model": "m", "output_history": "h",
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
        wall = snakemake(folder).wall
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


class Usage(NamedTuple):
    """Elapsed and processor time in seconds, and peak memory in MB."""

    wall: float
    cpu: float
    memory: float


def snakemake(folder: Path, *options: str) -> Usage:
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", "--cores", str(CORES), *options]
    process = subprocess.Popen(command, cwd=folder, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"failed in {folder}: {' '.join(command)}")
    wall = time.perf_counter() - start
    return Usage(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def make_project(folder: Path, config: dict) -> None:
    folder.mkdir()
    for name in ("Snakefile", "workflow", "src", "report", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def run_folders(folder: Path) -> dict[Path, dict]:
    """Map the folder of each run in the config of a project to its hyperparameters."""
    schema = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
    config = validated(yaml.safe_load((folder / "config.yaml").read_text()), schema)
    return {folder / "results/runs" / run_path(one, 256): one.named() for one in combinations(config)}


def train_one(folder: Path) -> None:
    """Prepare the data and train the first combination with every trainer."""
    run = next(iter(run_folders(folder))).relative_to(folder)
    files = [f"{run}/{trainer}/model.safetensors" for trainer in TRAINERS]
    snakemake(folder, *files, "results/gradients/check.json", "results/baselines/baselines.json")


def fill_runs(source: Path, folder: Path) -> None:
    """Copy the results of `source`, duplicating its one run for each combination."""
    shutil.copytree(source / "results", folder / "results", ignore=shutil.ignore_patterns("runs"))
    one = next(iter(run_folders(source)))
    data = [folder / f"results/data/{name}.safetensors" for name in ("train", "validation")]
    inputs = {path: file_sha256(path) for path in data}
    for run, settings in run_folders(folder).items():
        shutil.copytree(one, run)
        for trainer in TRAINERS:
            metrics = json.loads((run / trainer / "metrics.json").read_text())
            (run / trainer / "metrics.json").write_text(json.dumps(metrics | settings))
            manifest = run / trainer / "manifest.json"
            manifest.unlink()
            manifest.write_text(manifest_text("train", manifest, inputs, manifest.parent.iterdir()))


def growth(source: Path, folder: Path, combinations: int, turns: int) -> dict[str, float]:
    bare = folder.with_name(f"{folder.name}-bare")
    bare.mkdir()
    (bare / "Snakefile").write_text(BARE.format(jobs=3 * combinations))
    for name in ("train.safetensors", "validation.safetensors"):
        (bare / name).touch()
    make_project(folder, tiny_config(combinations))
    plans = [(snakemake(folder, "--dry-run"), snakemake(bare, "--dry-run")) for _ in range(turns)]

    fill_runs(source, folder)
    wall = snakemake(folder).wall
    benchmarks = {
        stage: pandas.read_csv(folder / f"logs/benchmarks/{stage}.tsv", sep="\t") for stage in STAGES
    }
    return {
        "combinations": combinations,
        "dry run (s)": round(statistics.median(ours.cpu for ours, _ in plans), 2),
        "bare (s)": round(statistics.median(theirs.cpu for _, theirs in plans), 2),
        "ratio": round(statistics.median(ours.cpu / theirs.cpu for ours, theirs in plans), 2),
        "memory of the dry run (MB)": round(max(ours.memory for ours, _ in plans)),
        "after the trainings (s)": round(wall, 1),
        **{f"{stage} (s)": round(float(table.s[0]), 1) for stage, table in benchmarks.items()},
        "largest memory (MB)": round(max(float(table.max_rss[0]) for table in benchmarks.values())),
    }


def proof(folder: Path, turns: int) -> pandas.DataFrame:
    """Time sweeps of 20 combinations, in seconds: by one trainer alone, with the proof on two, and on all."""
    sweep = {
        "data": {"source": "synthetic", "images_per_class": 1000},
        "training": {"epochs": 10},
        "grid": {"lr": [round(0.01 * k, 2) for k in range(1, 21)]},
    }
    alone = sweep | {"training": sweep["training"] | {"trainers": ["train"]}}
    tenth = sweep | {"comparison": {"combinations": {"first": 2}}}
    ways = {"one trainer alone": alone, "proof on a tenth": tenth, "proof on all": sweep}
    times: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(turns):
        for number, (name, config) in enumerate(ways.items()):
            project = folder / f"{turn}-{number}"
            make_project(project, config)
            snakemake(project, "results/data/summary.json", "results/preflight.json")
            times[name].append(snakemake(project, "results/selection.json").wall)
    table = pandas.DataFrame(times)
    ratios = table.div(table["one trainer alone"], axis=0)
    return pandas.DataFrame({"seconds": table.median(), "ratio": ratios.median()}).round(2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--combinations", type=int, nargs="+", default=[10, 100, 1000, 10000])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument(
        "--output", type=Path, required=True, help="folder for start_up, growth, proof and efficiency.csv"
    )
    parser.add_argument("--only", choices=("start_up", "growth", "proof", "efficiency"))
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        tiny = folder / "tiny"
        make_project(tiny, tiny_config(10))
        train_one(tiny)
        if options.only in ("start_up", None):
            (folder / "start_up").mkdir()
            report(start_up(folder / "start_up", tiny, options.turns), options.output / "start_up.csv")
        if options.only in ("growth", None):
            rows = [growth(tiny, folder / str(n), n, options.turns) for n in options.combinations]
            report(pandas.DataFrame(rows).set_index("combinations").T, options.output / "growth.csv")
        if options.only in ("proof", None):
            (folder / "proof").mkdir()
            report(proof(folder / "proof", options.turns), options.output / "proof.csv")
        if options.only in ("efficiency", None):
            report(efficiency(folder / "default").to_frame("default run"), options.output / "efficiency.csv")


def report(table: pandas.DataFrame, path: Path) -> None:
    table.to_csv(path)
    print(f"\n{table.to_string()}", flush=True)


if __name__ == "__main__":
    main()
