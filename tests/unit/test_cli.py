import subprocess
import sys

import pytest

from handgrad.cli import COMMANDS, main


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(capsys, command):
    with pytest.raises(SystemExit) as end:
        main([command, "--help"])
    assert end.value.code == 0
    assert f"usage: handgrad {command}" in capsys.readouterr().out


def test_help_lists_every_command_and_what_it_does(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    output = capsys.readouterr().out
    for command, (_, text) in COMMANDS.items():
        assert f"  {command}" in output
        assert text in output


def test_an_unknown_command_is_refused_with_the_known_ones(capsys):
    with pytest.raises(SystemExit) as end:
        main(["verfy"])
    assert end.value.code == 2
    assert "invalid choice: 'verfy' (choose from " in capsys.readouterr().err


def test_listing_the_commands_imports_none_of_them():
    code = "import sys, handgrad.cli; print(*sorted(sys.modules))"
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    modules = [name for name in result.stdout.split() if name.startswith(("handgrad.", "torch"))]
    assert modules == ["handgrad.cli", "handgrad.errors"]


def test_an_error_of_a_command_is_one_line(tmp_path, capsys):
    with pytest.raises(SystemExit) as end:
        main(["verify", str(tmp_path / "none")])
    assert str(end.value.code).startswith("error: ")
    assert "Traceback" not in capsys.readouterr().err
