"""`snakemake check` on a class: a report for each file, and a table with one row per file."""

import csv
import json
import os

import nbformat
import pytest
from helpers.projects import ROOT, SMALL, copy_project, planned, run, snakemake
from helpers.submissions import BACKPROPAGATION
from nbformat.v4 import new_code_cell, new_notebook

HEAD = "def backpropagation(model, y_true, y_pred):\n"
CLASS = {
    "right answer.py": BACKPROPAGATION,
    "wrong.py": BACKPROPAGATION.replace("d.sum(0)", "d.mean(0)"),
    "broken.py": "def backpropagation(:",
    "ends.py": f"import os\n{HEAD}    os._exit(0)\n",
    "needs.py": f"import no_such_package\n{HEAD}    no_such_package.go()\n",
}


@pytest.mark.slow
def test_a_class_gets_reports_and_a_table(tmp_path):
    project = copy_project(tmp_path / "project", SMALL)
    (project / "submissions").mkdir()
    for name, source in CLASS.items():
        (project / "submissions" / name).write_text(source)
    run(project, "check", "--config", "implementations=submissions/*")

    with (project / "results/check/table.csv").open() as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    assert {name: row["result"] for name, row in rows.items()} == {
        "right answer.py": "correct",
        "wrong.py": "wrong",
        "broken.py": "unusable",
        "ends.py": "unusable",
        "needs.py": "wrong",
    }
    assert rows["wrong.py"]["backpropagation"] == "bias gradient averaged over the batch"
    assert rows["broken.py"]["problem"].startswith("line 1: ")
    assert "name 'no_such_package' is not defined" in rows["needs.py"]["backpropagation"]
    folder = project / "results/check/wrong"
    report = (folder / "report.md").read_text()
    assert "your numbers: `dL_db[l] = dL_dz[l].mean(dim=0)`" in report
    assert (folder / "report.pdf").read_bytes().startswith(b"%PDF-")
    assert "wrong.py" in (project / "results/check/table.html").read_text()
    # No output of the experiment was created, and nothing is left to do.
    assert not (project / "results/data").exists()
    assert "Nothing to be done" in run(project, "check", "--config", "implementations=submissions/*")
    # A file handed in again is checked again, even if it is older than the results.
    (project / "submissions/wrong.py").write_text(BACKPROPAGATION)
    os.utime(project / "submissions/wrong.py", (0, 0))
    plan = planned(project, "check", "--config", "implementations=submissions/*")
    assert plan["check_file"] == 1


@pytest.mark.slow
def test_a_notebook_is_a_trainer_of_the_experiment(tmp_path, small_config):
    parts = ("backpropagation", "train_manual_update")
    training = small_config["training"] | {"trainers": ["train", *(f"ada.ipynb:{part}" for part in parts)]}
    combination = {"lr": 0.01, "weight_decay": 0.01, "momentum": 0.9}
    config = small_config | {
        "training": training,
        "hyperparameters": [combination],
        "comparison": {"tolerance": 1e-9},
    }
    project = copy_project(tmp_path / "project", config)
    cells = ["%matplotlib inline", (ROOT / "exercises/solution.py").read_text(), "train(unset)"]
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    (project / "ada.ipynb").write_text(nbformat.writes(notebook))
    run(project, "results/comparison.json")
    comparison = json.loads((project / "results/comparison.json").read_text())
    assert comparison["trainers"] == ["train", *(f"ada.{part}" for part in parts)]
    assert 0 <= comparison["largest_parameter_difference"] <= 1e-9
    for run_folder in (project / "results/runs").rglob("ada.*"):
        assert len((run_folder / "history.csv").read_text().splitlines()) == 1 + training["epochs"]


def test_a_pattern_without_files_is_refused(tmp_path):
    project = copy_project(tmp_path / "project", SMALL)
    result = snakemake(project, "check", "--cores", "1", "--config", "implementations=[nothing/*.py]")
    assert result.returncode == 1
    assert (
        "implementations has 'nothing/*.py'; there is no such script (.py) or notebook (.ipynb)"
        in result.stdout
    )
