"""The main job, run once on a small archive served on loopback."""

import json

import pandas
from helpers.projects import read_config, run, snakemake
from safetensors.numpy import load_file

TRAINERS = ["train", "train_manual_update", "train_manual_backprop"]


def read(finished_run, name):
    return json.loads((finished_run[0] / "results" / name).read_text())


def test_the_archive_came_from_the_mirror_and_its_checksum_was_verified(finished_run):
    config = read_config(finished_run[0])
    source = read(finished_run, "data/source.json")
    assert source["source"] == "download"
    assert source["location"] == config["data"]["mirrors"][0]
    assert source["md5"] == config["data"]["md5"]
    assert source["stand_in"] is False


def test_the_split_keeps_every_image_of_the_two_classes(finished_run):
    splits = read(finished_run, "data/summary.json")["splits"]
    assert splits["train"]["images"] + splits["validation"]["images"] == 120
    assert splits["test"]["class_counts"] == {"airplane": 20, "bird": 20}


def test_every_combination_is_trained_by_every_trainer_to_the_same_bits(finished_run):
    comparison = read(finished_run, "comparison.json")
    assert comparison["bit_identical"] is True
    assert comparison["trainers"] == TRAINERS
    assert len(comparison["runs"]) == 2
    for run_folder in (finished_run[0] / "results/runs").rglob("seed~*"):
        files = [(run_folder / trainer / "history.csv").read_bytes() for trainer in TRAINERS]
        assert files[0] == files[1] == files[2]
        assert len(pandas.read_csv(run_folder / "train/history.csv")) == 2


def test_the_selected_model_is_the_best_on_validation(finished_run):
    metrics = [
        json.loads(path.read_text()) for path in finished_run[0].glob("results/runs/**/train/metrics.json")
    ]
    selected = read(finished_run, "selection.json")["selected"]
    assert selected["validation_accuracy"] == max(run["validation_accuracy"] for run in metrics)
    model = load_file(finished_run[0] / "results/selected/model.safetensors")
    trained = load_file(finished_run[0] / selected["run"] / "model.safetensors")
    assert all((model[name] == trained[name]).all() for name in trained)


def test_the_evaluation_agrees_with_the_predictions(finished_run):
    evaluation = read(finished_run, "evaluation/evaluation.json")
    predictions = pandas.read_csv(finished_run[0] / "results/evaluation/predictions.csv")
    assert len(predictions) == evaluation["images"] == 40
    assert evaluation["accuracy"] == (predictions.label == predictions.predicted).mean()


def test_the_report_is_there_in_all_formats(finished_run):
    results = finished_run[0] / "results"
    assert "A small run" in (results / "report.md").read_text()
    assert "<html" in (results / "report.html").read_text()
    assert (results / "report.pdf").read_bytes().startswith(b"%PDF-")


def test_nothing_half_written_is_left_behind(finished_run):
    left = [path.name for path in finished_run[0].rglob("*") if path.name.endswith((".partial", ".part"))]
    assert left == []


def test_snakemake_report_works_offline(project):
    run(project, "--report", "summary.html")
    html = (project / "summary.html").read_text()
    assert "leaderboard" in html


def test_a_failed_job_says_in_one_line_what_was_wrong(project):
    (project / "src/handgrad/stages/evaluate.py").write_text('raise SystemExit("error: planted")\n')
    result = snakemake(project, "--cores", "1", "results/evaluation/evaluation.json")
    assert result.returncode == 1
    assert [line for line in result.stdout.splitlines() if line.startswith("error: ")] == ["error: planted"]
    assert "Traceback" not in result.stdout
