"""The exercise is derived from its solution, its notebook runs, and its checks print what is expected."""

import importlib.util
import os

import nbformat
import pytest
from helpers.projects import ROOT
from nbclient import NotebookClient

from handgrad.checking import check_file

EXERCISES = ROOT / "exercises"


@pytest.fixture(scope="module")
def make():
    spec = importlib.util.spec_from_file_location("make", EXERCISES / "make.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def outputs(source):
    """Run a notebook and return the outputs of its cells, in order."""
    notebook = nbformat.reads(source, as_version=4)
    client = NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.execute(env=os.environ | {"OMP_NUM_THREADS": "1"})
    return [
        output["data"]["text/plain"]
        for cell in notebook.cells
        if cell.cell_type == "code"
        for output in cell.outputs
        if output.output_type == "execute_result"
    ]


def test_script_and_notebook_follow_from_the_solution(make):
    script = make.exercise((EXERCISES / "solution.py").read_text(encoding="utf-8"))
    assert script == (EXERCISES / "exercise.py").read_text(encoding="utf-8"), "run python exercises/make.py"
    assert make.notebook(script) == (EXERCISES / "exercise.ipynb").read_text(encoding="utf-8")
    assert script.count("# your code") == 5
    assert "dL_dz.sum" not in script


@pytest.mark.slow
def test_the_exercise_is_not_yet_correct_in_any_part():
    exercise = check_file(EXERCISES / "exercise.ipynb")
    failed = {finding.part for finding in exercise.findings if finding.status == "failed"}
    assert failed == {"MyNet", "backpropagation", "train", "train_manual_update"}


@pytest.mark.slow
def test_the_notebooks_run_and_show_a_diagnosis_after_each_step(make):
    wrong = [text.splitlines()[0] for text in outputs((EXERCISES / "exercise.ipynb").read_text())]
    assert wrong == ["MyNet: WRONG", "backpropagation: WRONG", "train_manual_update: WRONG", "train: WRONG"]
    solution = make.notebook((EXERCISES / "solution.py").read_text(encoding="utf-8"))
    right = [text.splitlines()[0] for text in outputs(solution)]
    assert right == [
        "MyNet: correct",
        "backpropagation: correct",
        "train_manual_update: correct",
        "train: correct",
    ]
