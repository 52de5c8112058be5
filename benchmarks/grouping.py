"""Time many short trainings: locally, with one Slurm job per training, and with grouped Slurm jobs.

This starts the tests' single-node Slurm, and trains one tiny network for each learning rate and momentum.

    python benchmarks/grouping.py --output benchmarks/results
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pandas
import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT / "tests"))
from helpers.cluster import started  # noqa: E402

SLURM = ["--workflow-profile", "profiles/slurm", "--slurm-init-seconds-before-status-checks", "5"]
CORES = 2


def make_project(folder: Path, trainings: int) -> None:
    """Create a project that sweeps `trainings` two-epoch trainings: 10 learning rates, several momenta."""
    folder.mkdir()
    for name in ("Snakefile", "workflow", "src", "report", "profiles"):
        (folder / name).symlink_to(ROOT / name)
    config = {
        "data": {"source": "synthetic"},
        "model": {"hidden": [4]},
        "training": {"epochs": 2, "trainers": ["train_manual_backprop"]},
        "grid": {
            "lr": [round(0.01 * k, 2) for k in range(1, 11)],
            "weight_decay": [0.0],
            "momentum": [round(10 * k / trainings, 4) for k in range(trainings // 10)],
        },
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


def snakemake(folder: Path, *options: str) -> float:
    """Run Snakemake in `folder` and return the elapsed time in seconds."""
    start = time.perf_counter()
    command = [sys.executable, "-m", "snakemake", "--quiet", "all", *options]
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--trainings", type=int, default=300, help="a multiple of ten")
    parser.add_argument("--group-sizes", type=int, nargs="+", default=[1, 50])
    parser.add_argument("--output", type=Path, required=True, help="folder for grouping.csv")
    options = parser.parse_args()

    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        (Path(temporary) / "slurm").mkdir()
        project = Path(temporary) / "project"
        make_project(project, options.trainings)
        with started(Path(temporary) / "slurm") as cluster:
            os.environ |= cluster.variables
            snakemake(project, "--cores", str(CORES), "results/data/summary.json")
            ways: list[tuple[str, list[str]]] = []
            for size in options.group_sizes:
                group = ["--groups", "train=train", "--group-components", f"train={size}"]
                ways.append((f"{size} a job", SLURM + (group if size > 1 else [])))
            ways.append(("without Slurm", []))
            for name, arguments in ways:
                earlier = len(cluster.jobs())
                seconds = snakemake(
                    project, "--cores", str(CORES), *arguments, "--until", "train", "--forcerun", "train"
                )
                rows.append(
                    {
                        "trainings": name,
                        "Slurm jobs": len(cluster.jobs()) - earlier,
                        "wall (s)": round(seconds, 1),
                        "a training (s)": round(seconds / options.trainings, 2),
                        "load": round(os.getloadavg()[0], 1),
                    }
                )
                print(rows[-1], flush=True)
    table = pandas.DataFrame(rows).set_index("trainings")
    options.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(options.output / "grouping.csv")
    print(f"{options.trainings} trainings, {CORES} cores")
    print(table.to_string())


if __name__ == "__main__":
    main()
