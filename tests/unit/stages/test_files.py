import json
import subprocess
import sys

import pytest

from handgrad.errors import HandgradError
from handgrad.stages.files import read_json, replacing, write_json


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


def test_two_that_write_one_file_at_once_do_not_disturb_each_other(tmp_path):
    path = tmp_path / "model"
    program = (
        "import sys\n"
        "from pathlib import Path\n"
        "from handgrad.stages.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('first')\n"
        "    print('written', flush=True)\n"
        "    input()\n"
    )
    command = [sys.executable, "-c", program, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "written\n"
        with replacing(path) as temporary:
            temporary.write_text("second")
            first.communicate("\n")
            assert path.read_text() == "first"
        assert path.read_text() == "second"
    assert first.returncode == 0
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    path = tmp_path / "model"
    program = (
        "import os, signal, sys\n"
        "from pathlib import Path\n"
        "from handgrad.stages.files import replacing\n"
        "with replacing(Path(sys.argv[1])) as temporary:\n"
        "    temporary.write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    subprocess.run([sys.executable, "-c", program, str(path)])
    assert [left.name.endswith(".partial") for left in tmp_path.iterdir()] == [True]
    write_json(path, {})
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_of_the_same_number_left_is_removed(tmp_path):
    path = tmp_path / "model"
    with replacing(path) as temporary:
        name = temporary.name
        temporary.touch()
    (tmp_path / name).mkdir()
    write_json(path, {})
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_writer_on_another_machine_has_there_is_left_alone(tmp_path):
    other = tmp_path / ".model.another-machine.999999999.partial"
    other.touch()
    write_json(tmp_path / "model", {})
    assert sorted(left.name for left in tmp_path.iterdir()) == [other.name, "model"]


def test_a_full_disk_is_reported_with_the_file(tmp_path):
    path = tmp_path / "model"
    with (
        pytest.raises(HandgradError, match=r"/model: .*No space left on device$"),
        replacing(path) as temporary,
    ):
        temporary.symlink_to("/dev/full")
        temporary.write_text("much")
    assert list(tmp_path.iterdir()) == []


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
