import json

import pytest

from handgrad.checking.loading import SubmissionError, load

BACKPROPAGATION = "def backpropagation(model, y_true, y_pred):\n    return rate\n"


def script(folder, text):
    path = folder / "ada.py"
    path.write_text(text)
    return path


def notebook(folder, *sources):
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True)} for source in sources]
    cells.insert(0, {"cell_type": "markdown", "source": ["# Task"]})
    path = folder / "ada.ipynb"
    path.write_text(json.dumps({"cells": cells, "nbformat": 4}))
    return path


def test_definitions_are_executed_and_experiments_are_not(tmp_path):
    path = script(
        tmp_path,
        "import math\n"
        "rate = 2 * math.pi if True else 0\n"
        "open('touched', 'w')\n"
        "for step in range(3):\n    raise RuntimeError\n"
        "raise SystemExit(3)\n"
        "model = make_model()\n" + BACKPROPAGATION + "if __name__ == '__main__':\n    backpropagation()\n",
    )
    submission = load(path)
    assert list(submission.parts) == ["backpropagation"]
    assert submission.parts["backpropagation"](None, None, None) == pytest.approx(6.283185307179586)
    assert submission.skipped["model"] == "ada.py, line 7 is not executed"


def test_a_notebook_is_read_cell_by_cell_without_its_magics(tmp_path):
    path = notebook(
        tmp_path, "%matplotlib inline\n!pip install x\nrate = 3", "%%time\nbroken(", BACKPROPAGATION
    )
    assert load(path).parts["backpropagation"](None, None, None) == 3


def test_the_last_definition_of_a_name_counts(tmp_path):
    path = notebook(tmp_path, "rate = 1\n" + BACKPROPAGATION, "rate = 5")
    assert load(path).parts["backpropagation"](None, None, None) == 5


def test_a_missing_package_matters_only_where_it_is_used(tmp_path):
    submission = load(script(tmp_path, "import no_such_package as nope\nrate = 1\n" + BACKPROPAGATION))
    assert "no_such_package" in submission.skipped["nope"]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: notebook(f, "rate = 1", "def f(:\n  pass"), r"ada\.ipynb, cell 3, line 1: invalid syntax"),
        (lambda f: script(f, "x = 1\nclass A(Missing): pass"), r"ada\.py, line 2: NameError: name 'Missing'"),
        (lambda f: script(f, "x = 1"), r"defines none of MyNet, MyMLP, backpropagation, train"),
        (lambda f: f / "missing.py", r"missing\.py: cannot be read"),
        (lambda f: f / "essay.docx", r"essay\.docx: expected a script \(\.py\) or a notebook"),
        (lambda f: script(f, "def f(\n"), r"ada\.py, line 1: '\(' was never closed"),
    ],
)
def test_a_file_that_cannot_be_used_gets_one_message(tmp_path, make, message):
    with pytest.raises(SubmissionError, match=message):
        load(make(tmp_path))


def test_a_damaged_notebook_gets_one_message(tmp_path):
    path = tmp_path / "ada.ipynb"
    path.write_text('{"cells": 3}')
    with pytest.raises(SubmissionError, match="not a notebook of format 4"):
        load(path)


def test_what_depends_on_skipped_code_is_skipped_too(tmp_path):
    path = script(tmp_path, "data = download()\ncount = int(len(data) * 0.9)\nrate = 2\n" + BACKPROPAGATION)
    submission = load(path)
    assert submission.parts["backpropagation"](None, None, None) == 2
    assert "ada.py, line 2: NameError" in submission.skipped["count"]


def test_a_cell_with_a_syntax_error_matters_only_if_it_defines_a_part(tmp_path):
    assert "backpropagation" in load(notebook(tmp_path, "for i in range(3)\n  i", BACKPROPAGATION)).parts
    with pytest.raises(SubmissionError, match=r"ada\.ipynb, cell 3, line 1: expected ':'"):
        load(notebook(tmp_path, BACKPROPAGATION, "def train(n_epochs)\n  pass"))


def test_a_part_imported_from_handgrad_is_not_a_submission(tmp_path):
    with pytest.raises(SubmissionError, match="defines none of"):
        load(script(tmp_path, "from handgrad import backpropagation"))
