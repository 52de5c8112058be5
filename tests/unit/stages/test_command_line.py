"""Command lines derived from dataclasses of options."""

import re
import string
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from handgrad.errors import HandgradError
from handgrad.stages.command_line import flags, parse


@dataclass(frozen=True)
class Options:
    train_data: Path
    lr: float
    seed: Annotated[int, "of the initial weights"]
    nesterov: bool
    dtype: Literal["float64", "float32"]
    hidden: list[int]
    config: dict[str, Any]
    archive: Path | None = None
    epochs: int = 50


VALUES = {
    "train_data": Path("a folder/train.safetensors"),
    "lr": 0.1,
    "seed": -1,
    "nesterov": True,
    "dtype": "float32",
    "hidden": [8, 4],
    "config": {"title": "By hand {x}", "authors": ["Ada"]},
}
WORDS = [
    "--train-data=a folder/train.safetensors",
    "--lr=0.1",
    "--seed=-1",
    "--nesterov=true",
    "--dtype=float32",
    "--hidden",
    "8",
    "4",
    '--config={"title": "By hand {x}", "authors": ["Ada"]}',
]


def test_a_command_line_and_the_options_that_it_gives():
    assert flags(VALUES) == WORDS
    assert parse(Options, WORDS) == Options(**VALUES)
    assert parse(Options, WORDS).archive is None
    assert parse(Options, WORDS).epochs == 50


def test_optional_options_are_left_out_or_given():
    assert flags({"archive": None}) == []
    assert parse(Options, [*WORDS, "--archive=my.tar.gz", "--epochs=3"]).archive == Path("my.tar.gz")


def test_an_empty_list_is_given_as_such():
    assert parse(Options, flags(VALUES | {"hidden": []})).hidden == []


def test_texts_of_booleans_as_python_prints_them():
    assert parse(Options, flags(VALUES | {"nesterov": "False"})).nesterov is False


PRINTABLE = st.text(string.printable + "äß")
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | PRINTABLE,
    lambda children: st.lists(children) | st.dictionaries(PRINTABLE, children),
)


@pytest.mark.slow
@given(
    st.builds(
        Options,
        train_data=PRINTABLE.map(Path),
        lr=st.floats(allow_nan=False),
        seed=st.integers(),
        nesterov=st.booleans(),
        dtype=st.sampled_from(["float64", "float32"]),
        hidden=st.lists(st.integers(min_value=1)),
        config=st.dictionaries(PRINTABLE, JSON),
        archive=st.none() | PRINTABLE.map(Path),
    )
)
def test_what_flags_writes_parse_reads(options):
    assert parse(Options, flags(vars(options))) == options


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([*WORDS, "--lrr=0.1"], "unrecognized arguments: --lrr=0.1"),
        ([*WORDS, "--train=x"], "unrecognized arguments: --train=x"),
        ([*WORDS, "--lr=fast"], "argument --lr: invalid float value: 'fast'"),
        ([*WORDS, "--hidden", "8", "a"], "argument --hidden: invalid int value: 'a'"),
        ([*WORDS, "--nesterov=yes"], "argument --nesterov: 'yes' is neither true nor false"),
        ([*WORDS, "--config={"], "argument --config: not valid JSON (Expecting property name"),
        ([*WORDS, "--dtype=float16"], "argument --dtype: invalid choice: 'float16'"),
        (WORDS[2:], "the following arguments are required: --train-data, --lr"),
    ],
)
def test_a_wrong_option_is_named_in_one_line(words, message):
    with pytest.raises(HandgradError, match=f"^{re.escape(message)}.*; --help lists the options$"):
        parse(Options, words)


def test_help_describes_the_stage_and_each_option(capsys):
    with pytest.raises(SystemExit) as end:
        parse(Options, ["--help"])
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    assert "Command lines derived from dataclasses of options." in text
    assert "--seed INT of the initial weights" in text
    assert "--dtype {float64,float32}" in text
    assert "--hidden [INT ...]" in text


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        (
            "raise HandgradError('data.archive: no such file; give another')",
            "data.archive: no such file; give another",
        ),
        ("open('/nowhere/at/all')", "[Errno 2] No such file or directory: '/nowhere/at/all'"),
        ("bytes(2**60)", "out of memory; free some, or raise `ulimit -v`"),
    ],
)
def test_errors_of_a_user_end_in_one_line_and_exit_status_1(statement, message):
    program = (
        "from handgrad.errors import HandgradError\n"
        "from dataclasses import dataclass\n"
        "from handgrad.stages.command_line import run_stage\n"
        "@dataclass\nclass Options:\n    pass\n"
        f"def main(options):\n    {statement}\n"
        "run_stage(main, Options)\n"
    )
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert result.returncode == 1
    assert result.stderr == f"error: {message}\n"
