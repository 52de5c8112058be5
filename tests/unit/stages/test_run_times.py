import csv
import subprocess
import sys

HEADS = "s\th:m:s\tmax_rss\tmax_vms\tmax_uss\tmax_pss\tio_in\tio_out\tmean_load\tcpu_time\n"


def run_stage(folder):
    return subprocess.run(
        [
            *(sys.executable, "-m", "handgrad.stages.run_times"),
            *("--benchmarks", folder / "benchmarks", "--facts", folder / "facts.json"),
            *("--training-benchmarks", folder / "benchmarks/train"),
            *("--runs", "lr~0.1", "--trainers", "train"),
            *("--output-run-times", folder / "run_times.csv"),
        ],
        capture_output=True,
        text=True,
    )


def test_every_job_of_the_experiment_is_listed_with_its_seconds_and_memory(tmp_path):
    run = tmp_path / "benchmarks/train/lr~0.1/train.tsv"
    run.parent.mkdir(parents=True)
    run.write_text(HEADS + "61.5\t0:01:01\t512.25\t1\t1\t1\t0\t0\t99\t60\n")
    # Of a combination that was removed from the config.
    earlier = tmp_path / "benchmarks/train/lr~0.2/train.tsv"
    earlier.parent.mkdir()
    earlier.write_text(run.read_text())
    (tmp_path / "benchmarks/fetch.tsv").write_text(HEADS + "3.25\t0:00:03\t-\t1\t1\t1\t0\t0\t99\t3\n")
    (tmp_path / "facts.json").write_text('{"cost": {"seconds_by_run": {"lr~0.1": 50.0}}}')
    assert run_stage(tmp_path).returncode == 0
    with (tmp_path / "run_times.csv").open(newline="") as file:
        assert list(csv.reader(file)) == [
            ["job", "seconds", "max_rss_mb", "expected_seconds", "ratio"],
            ["fetch", "3.25", "-", "", ""],
            ["train/lr~0.1/train", "61.5", "512.25", "50", "1.23"],
        ]
