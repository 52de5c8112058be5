import json
import subprocess
import sys

import pytest

from handgrad.errors import HandgradError
from handgrad.stages.plumbing import read_json, replacing, write_json


def test_replacing_leaves_the_old_file_and_nothing_else_after_an_error(tmp_path):
    path = tmp_path / "figures.json"
    path.write_text("old")
    with pytest.raises(RuntimeError), replacing(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_replacing_writes_beside_the_target(tmp_path):
    path = tmp_path / "new" / "figures.json"
    with replacing(path) as temporary:
        temporary.write_text("whole")
        assert temporary.parent == path.parent
        assert not path.exists()
    assert path.read_text() == "whole"


def test_write_json_refuses_nan_and_keeps_the_old_file(tmp_path):
    path = tmp_path / "metrics.json"
    write_json(path, {"loss": 0.5})
    with pytest.raises(ValueError):
        write_json(path, {"loss": float("nan")})
    assert json.loads(path.read_text()) == {"loss": 0.5}


def test_read_json_names_a_damaged_file(tmp_path):
    path = tmp_path / "metrics.json"
    path.write_text('{"loss": ')
    with pytest.raises(HandgradError, match=r"metrics\.json: not valid JSON"):
        read_json(path)


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "raise HandgradError('data.archive: no such file; give another')",
            "data.archive: no such file; give another",
        ),
        ("open('/nowhere/at/all')", "[Errno 2] No such file or directory: '/nowhere/at/all'"),
    ],
)
def test_errors_of_a_user_end_in_one_line_and_exit_status_1(statement, message):
    program = (
        "from handgrad.errors import HandgradError\n"
        "from handgrad.stages.plumbing import run_stage\n"
        f"def main():\n    {statement}\n"
        "run_stage(main)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == f"error: {message}\n"
