"""Malformed configs: each is rejected before any job starts, with one message and no file touched."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from helpers.projects import ROOT, SMALL, SOURCES, copy_project, environment, snakemake
from hypothesis import given, settings
from hypothesis import strategies as st
from snakemake.common.configfile import load_configfile
from snakemake.exceptions import WorkflowError

from handgrad.errors import ConfigError
from handgrad.pipeline.config import check_syntax, combinations, read_schema, validated

SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
RUN = "hyperparameters: [{lr: 0.01, weight_decay: 0.0, momentum: 0.9}]\n"

# Contents of config.yaml (RUN is prepended if they begin with a key other than hyperparameters or grid),
# and words that the message must contain: the key, the value, what is allowed.
VALUES = [
    # Types.
    ("seed: one", "seed is 'one'; expected a whole number, at least 0"),
    ("seed: 1.5", "seed is 1.5; expected a whole number"),
    ("seed: true", "seed is true; expected a whole number"),
    ("seed: null", "seed is null; expected a whole number"),
    ("seed: [256]", "seed is [256]; expected a whole number"),
    ("seed: 2026-01-01", "seed is datetime.date(2026, 1, 1); expected a whole number"),
    ("dtype: 64", "dtype is 64; expected one of float64, float32"),
    ("data: airplane", "data is 'airplane'; expected a mapping with the keys source, archive, classes"),
    ("data:", "data is null; expected a mapping with the keys source"),
    ("training: []", "training is []; expected a mapping with the keys lr"),
    ("data: {archive: 5}", "data.archive is 5; expected null, or the path of an archive"),
    (
        "data: {classes: airplane}",
        "data.classes is 'airplane'; expected a list of at least 2, at most 10, each",
    ),
    ("data: {validation_fraction: a tenth}", "data.validation_fraction is 'a tenth'; expected a number"),
    ("data: {mirrors: 'https://a.org/x'}", "data.mirrors is 'https://a.org/x'; expected a list, each a URL"),
    ("model: {hidden: 512}", "model.hidden is 512; expected a list of at least 1, at most 40, each a whole"),
    ("model: {hidden: [512, 12.5]}", "model.hidden[1] is 12.5; expected a whole number, at least 1"),
    ("model: {hidden: [[8]]}", "model.hidden[0] is [8]; expected a whole number"),
    ("training: {epochs: '50'}", "training.epochs is '50'", "write 50, without quotes"),
    ("training: {epochs: yes}", "training.epochs is true; expected a whole number, at least 1"),
    (
        "training: {trainers: train}",
        "training.trainers is 'train'; expected a list of at least 1, each one of",
    ),
    ("training: {seeds: 256}", "training.seeds is 256; expected a list of at least 1, each a whole number"),
    ("report: {title: 5}", "report.title is 5; expected one line of text"),
    ("report: {authors: Ada}", "report.authors is 'Ada'; expected a list, each one line of text"),
    ("report: {authors: [Ada, 3]}", "report.authors[1] is 3; expected one line of text"),
    # Bounds.
    ("seed: -1", "seed is -1; expected a whole number, at least 0, at most 9223372036854775807"),
    ("seed: 9223372036854775808", "seed is 9223372036854775808", "at most 9223372036854775807"),
    (f"seed: 1{'0' * 400}", "seed is 1000", "at most 9223372036854775807"),
    ("data: {classes: [bird]}", "data.classes is ['bird']; expected a list of at least 2, at most 10"),
    ("data: {validation_fraction: 0}", "data.validation_fraction is 0; expected a number, at least 0.01"),
    ("data: {validation_fraction: 1}", "data.validation_fraction is 1", "at most 0.5"),
    ("data: {validation_fraction: -0.1}", "data.validation_fraction is -0.1", "at least 0.01"),
    ("model: {hidden: [0]}", "model.hidden[0] is 0; expected a whole number, at least 1, at most 65536"),
    ("model: {hidden: [100000000]}", "model.hidden[0] is 100000000", "at most 65536"),
    ("training: {epochs: 0}", "training.epochs is 0; expected a whole number, at least 1, at most 100000"),
    ("training: {epochs: 1000000}", "training.epochs is 1000000", "at most 100000"),
    ("training: {batch_size: 0}", "training.batch_size is 0; expected a whole number, at least 1"),
    ("training: {batch_size: -256}", "training.batch_size is -256", "at least 1, at most 50000"),
    ("training: {threads: 0}", "training.threads is 0; expected a whole number, at least 1"),
    ("training: {seeds: [-3]}", "training.seeds[0] is -3; expected a whole number, at least 0"),
    ("training: {checkpoint_every: -1}", "training.checkpoint_every is -1", "at least 0"),
    ("gradients: {check_every: -1}", "gradients.check_every is -1; expected a whole number, at least 0"),
    ("comparison: {tolerance: -1.0e-9}", "comparison.tolerance is -1e-09", "at least 0, at most 1"),
    ("hyperparameters: [{lr: 0, weight_decay: 0, momentum: 0}]", "[0].lr is 0; expected a number, above 0"),
    (
        "hyperparameters: [{lr: -0.1, weight_decay: 0, momentum: 0}]",
        "[0].lr is -0.1",
        "above 0, at most 1000",
    ),
    ("hyperparameters: [{lr: 1.0e+30, weight_decay: 0, momentum: 0}]", "[0].lr is 1e+30", "at most 1000"),
    ("hyperparameters: [{lr: 1, weight_decay: -1, momentum: 0}]", "[0].weight_decay is -1", "at least 0"),
    ("hyperparameters: [{lr: 1, weight_decay: 0, momentum: 1}]", "[0].momentum is 1", "at least 0, below 1"),
    ("hyperparameters: [{lr: 1, weight_decay: 0, momentum: -0.9}]", "[0].momentum is -0.9", "at least 0"),
    # Non-finite numbers, and numbers that YAML parses as strings.
    (
        "hyperparameters: [{lr: .nan, weight_decay: 0, momentum: 0}]",
        "[0].lr is nan; expected a finite number",
    ),
    (
        "hyperparameters: [{lr: .inf, weight_decay: 0, momentum: 0}]",
        "[0].lr is inf; expected a finite number",
    ),
    ("hyperparameters: [{lr: -.inf, weight_decay: 0, momentum: 0}]", "[0].lr is -inf; expected a finite"),
    ("hyperparameters: [{lr: nan, weight_decay: 0, momentum: 0}]", "[0].lr is 'nan'; expected a number"),
    ("comparison: {tolerance: .nan}", "comparison.tolerance is nan; expected a finite number"),
    ("seed: .inf", "seed is inf; expected a finite number"),
    ("hyperparameters: [{lr: 1e-3, weight_decay: 0, momentum: 0}]", "[0].lr is '1e-3'", "write 0.001"),
    ("hyperparameters: [{lr: 1e-5, weight_decay: 0, momentum: 0}]", "[0].lr is '1e-5'", "write 1.0e-05"),
    ("grid: {lr: [0.1, 1e-2], weight_decay: [0], momentum: [0]}", "grid.lr[1] is '1e-2'", "write 0.01"),
    ("hyperparameters: [{lr: '0.1', weight_decay: 0, momentum: 0}]", "'0.1'", "write 0.1, without quotes"),
    ("hyperparameters: [{lr: '0,1', weight_decay: 0, momentum: 0}]", "[0].lr is '0,1'; expected a number"),
    # Unknown, misspelt and misplaced keys.
    ("sede: 1", "sede is not a known key (did you mean seed?)"),
    ("optimizer: adam", "optimizer is not a known key (known keys: seed, dtype, device, data, model"),
    ("traning: {epochs: 5}", "traning is not a known key (did you mean training?)"),
    ("training: {epoch: 5}", "training.epoch is not a known key (did you mean epochs?)"),
    ("training: {batchsize: 5}", "training.batchsize is not a known key (did you mean batch_size?)"),
    ("training: {Epochs: 5}", "training.Epochs is not a known key (did you mean epochs?)"),
    ("data: {class: [bird, cat]}", "data.class is not a known key (did you mean classes?)"),
    ("epochs: 5", "epochs is not a known key (it belongs under training)"),
    ("model: {lr: 0.1}", "model.lr is not a known key", "it belongs under training"),
    ("report: {formats: [pdf], colour: red}", "report.colour is not a known key (known keys: title, authors"),
    ("1: 2", "1 is not a known key"),
    ("on: 2", "True is not a known key"),
    ('"seed\\n": 1', "'seed\\n' is not a known key (did you mean seed?)"),
    ('"\\ud800": 1', "'\\ud800' is not a known key"),
    ("hyperparameters: [{lr: 1, weight_decy: 0, momentum: 0}]", "(did you mean weight_decay?)"),
    # Enumerations.
    ("dtype: float16", "dtype is 'float16'; expected one of float64, float32"),
    ("device: gpu", "device is 'gpu'; expected one of auto, cpu, cuda"),
    ("data: {source: ftp}", "data.source is 'ftp'; expected one of auto, download, archive, synthetic"),
    ("data: {classes: [airplane, brid]}", "data.classes[1] is 'brid'", "(did you mean bird?)"),
    ("data: {classes: [Airplane, bird]}", "data.classes[0] is 'Airplane'", "(did you mean airplane?)"),
    (
        "data: {classes: [airplane, unicorn]}",
        "data.classes[1] is 'unicorn'; expected one of airplane, automob",
    ),
    ("data: {classes: [airplane, null]}", "data.classes[1] is null; expected one of airplane"),
    ("model: {activation: ReLU}", "model.activation is 'ReLU'; expected one of relu, leaky_relu"),
    ("training: {trainers: [trian]}", "training.trainers[0] is 'trian'", "(did you mean train?)"),
    ("report: {formats: [docx]}", "report.formats[0] is 'docx'; expected one of md, html, pdf"),
    # Strings.
    ("data: {md5: abc}", "data.md5 is 'abc'; expected 32 hexadecimal digits in lower case"),
    ("data: {md5: C58F30108F718F92721AF3B95E74349A}", "data.md5 is 'C58F", "in lower case"),
    ("data: {mirrors: ['ftp://a.org/x']}", "data.mirrors[0] is 'ftp://a.org/x'; expected a URL of http"),
    ("data: {mirrors: ['http://']}", "data.mirrors[0] is 'http://'; expected a URL of http"),
    ("data: {mirrors: ['http://a.org/x y']}", "data.mirrors[0] is 'http://a.org/x y'", "without spaces"),
    ("data: {archive: ''}", "data.archive is ''; expected null, or the path of an archive"),
    ('data: {archive: "a\\0b"}', "data.archive is 'a\\x00b'; expected null, or the path of an archive"),
    ("data: {archive: 'the {new} one'}", "data.archive is 'the {new} one'; expected", "without any of {}<>"),
    ("data: {archive: 'a<b>.tar.gz'}", "data.archive is 'a<b>.tar.gz'; expected", "without any of {}<>"),
    ("report: {title: ''}", "report.title is ''; expected one line of text, not blank"),
    ("report: {title: '  '}", "report.title is '  '; expected one line of text, not blank"),
    ('report: {title: "two\\nlines"}', "report.title is 'two\\nlines'; expected one line of text"),
    ('report: {title: "a\\0b"}', "report.title is 'a\\x00b'; expected one line of text"),
    ('report: {title: "a\\ufffe"}', "report.title is 'a\\ufffe'; expected one line of text"),
    ('report: {authors: ["\\uffff"]}', "report.authors[0] is '\\uffff'; expected one line of text"),
    ('report: {authors: ["\\ud800"]}', "report.authors[0] is '\\ud800'; expected one line of text"),
    (f"report: {{title: {'x' * 201}}}", "report.title is 'xxx", "at most 200 characters"),
    # Empty lists and duplicate entries.
    ("data: {classes: []}", "data.classes is []; expected a list of at least 2, at most 10"),
    ("model: {hidden: []}", "model.hidden is []; expected a list of at least 1"),
    (
        "training: {trainers: []}",
        "training.trainers is []; expected a list of at least 1, each one of train,",
    ),
    ("training: {seeds: []}", "training.seeds is []; expected a list of at least 1"),
    ("report: {formats: []}", "report.formats is []; expected a list of at least 1"),
    ("grid: {lr: [], weight_decay: [0], momentum: [0]}", "grid.lr is []; expected a list of at least 1"),
    ("data: {classes: [bird, bird]}", "data.classes is ['bird', 'bird']; expected no value twice"),
    ("training: {seeds: [1, 1]}", "training.seeds is [1, 1]; expected no value twice"),
    ("training: {trainers: [train, train]}", "training.trainers is", "expected no value twice"),
    ("grid: {lr: [0.1, 0.10], weight_decay: [0], momentum: [0]}", "grid.lr is [0.1, 0.1]", "no value twice"),
    # Hyperparameters.
    ("hyperparameters: []", "hyperparameters is empty; expected at least one combination, there or in grid"),
    ("hyperparameters:", "hyperparameters is null; expected a list, each a mapping with the keys lr"),
    (
        "hyperparameters: {lr: 1, weight_decay: 0, momentum: 0}",
        "expected a list, each a mapping with the keys",
    ),
    (
        "hyperparameters: [0.1]",
        "hyperparameters[0] is 0.1; expected a mapping with the keys lr, weight_decay",
    ),
    ("hyperparameters: [{lr: [0.1], weight_decay: 0, momentum: 0}]", "[0].lr is [0.1]; expected a number"),
    ("grid: {nesterov: [yes, 1]}", "grid.nesterov[1] is 1; expected true or false"),
    ("grid: {hidden: [512]}", "grid.hidden[0] is 512; expected a list of at least 1"),
    ("grid: {nesterov: [true]}", "momentum 0.0, nesterov true, but nesterov needs momentum above 0"),
    (
        "grid: {lr: 0.1, weight_decay: [0], momentum: [0]}",
        "grid.lr is 0.1; expected a list of at least 1, each",
    ),
    (
        "hyperparameters: [{lr: 1, weight_decay: 0, momentum: 0}, {lr: 1.0, weight_decay: 0, momentum: 0}]",
        "the combination lr 1.0, weight_decay 0.0, momentum 0.0 twice; expected each once",
    ),
    (
        RUN + "grid: {lr: [0.01], weight_decay: [0], momentum: [0.9]}",
        "the combination lr 0.01, weight_decay 0.0, momentum 0.9 twice; expected each once",
    ),
    # Contradictory keys.
    ("data: {source: archive}", "data.archive is null; expected the path of an archive, since data.source"),
    ("data: {source: download}", "data.mirrors is empty; expected at least one URL, since data.source"),
    (
        "data: {source: synthetic, classes: [cat, dog]}",
        "data.classes has cat, dog; expected airplane and bird",
    ),
    # A value that contains itself.
    ("data: &data {classes: [*data]}", "config: a value holds itself, or is nested too deeply"),
    # A few bytes that expand to ten million values.
    (
        "seed: {a: &a [0,0,0,0,0,0,0,0,0,0], b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a], "
        "c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b], d: &d [*c,*c,*c,*c,*c,*c,*c,*c,*c,*c], "
        "e: &e [*d,*d,*d,*d,*d,*d,*d,*d,*d,*d], f: &f [*e,*e,*e,*e,*e,*e,*e,*e,*e,*e], "
        "g: [*f,*f,*f,*f,*f,*f,*f,*f,*f,*f]}",
        "config: more than 1,000,000 values",
    ),
]
VALUES = [
    (text if text.startswith(("hyperparameters", "grid")) else RUN + text, *words) for text, *words in VALUES
]

# Files that are not configs at all, and the words of the message.
FILES = [
    ("", "config.yaml is empty; expected keys and values"),
    ("# Only a comment.\n", "config.yaml is empty; expected keys and values"),
    ("- 1\n- 2\n", "config.yaml is [1, 2]; expected keys and values"),
    ("just text", "config.yaml is 'just text'; expected keys and values"),
    ("null", "config.yaml is empty; expected keys and values"),
    (
        RUN + "data: {source: archive, archive: none.tar.gz}",
        "config: data.archive is 'none.tar.gz'; there is no",
    ),
    (RUN + "seed: [1, 2", "config.yaml, line 2: expected ',' or ']'"),
    (RUN + "training:\n\tepochs: 5\n", "config.yaml, line 3: found character '\\t'"),
    (RUN + "training:\n  epochs: 5\n threads: 1\n", "config.yaml, line 4: "),
    (RUN + "training:\n  epochs: 5: 6\n", "config.yaml, line 3: mapping values are not allowed here"),
    (RUN + "report: {title: 'never closed}\n", "config.yaml, line 3: found unexpected end of stream"),
    (RUN + "seed: *one\n", "config.yaml, line 2: found undefined alias 'one'"),
    (RUN + "seed: 1\n---\nseed: 2\n", "config.yaml, line 3: but found another document"),
    (RUN + "seed: 1\nseed: 1\n", "config.yaml, line 3: seed is given a second time; expected each key once"),
    ("hyperparameters: [{lr: 1, lr: 2, weight_decay: 0, momentum: 0}]", "line 1: lr is given a second time"),
    ('{"seed": 1, "seed": 2}', "config.yaml, line 1: seed is given a second time"),
    (
        RUN + "seed: !!python/object/apply:os.mkdir [made]\n",
        "config.yaml, line 2: could not determine a constr",
    ),
    (RUN + "? [1, 2]\n: 3\n", "config.yaml, line 2: found unhashable key"),
    (RUN + "seed: 2026-13-45\n", "config.yaml: month must be in 1..12"),
    (RUN + "report: {title: a\x01b}\n", "config.yaml: unacceptable character #x0001"),
    (RUN + f"seed: {'9' * 5000}\n", "config.yaml: Exceeds the limit"),
    ("[" * 5000, "config.yaml: maximum recursion depth exceeded"),
]


@pytest.fixture(scope="module")
def refusals(tmp_path_factory):
    """Run Snakemake on every malformed config, each in its own folder.

    For each config: the exit code, the output, and the folder's files before and after.
    """
    base = tmp_path_factory.mktemp("configs")
    texts = [case[0] for case in VALUES + FILES]
    folders = [base / str(number) / "project" for number in range(len(texts))]
    for folder, text in zip(folders, texts, strict=True):
        folder.mkdir(parents=True)
        for name in SOURCES:
            (folder / name).symlink_to(ROOT / name)
        (folder / "config.yaml").write_text(text)
    before = [files(folder) for folder in folders]
    script = Path(__file__).parents[1] / "helpers/forked_snakemake.py"
    result = subprocess.run(
        [sys.executable, script, json.dumps(list(map(str, folders))), "--cores", "1"],
        env=environment(ROOT),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    exit_codes = json.loads(result.stdout)
    return {
        text: (exit_codes[str(folder)], (folder.parent / "output.txt").read_text(), old, files(folder))
        for folder, text, old in zip(folders, texts, before, strict=True)
    }


def files(folder):
    """The content of every file in a project folder, except Snakemake's own log."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".snakemake/log" not in str(path)
    }


def test_there_are_at_least_sixty_and_no_two_are_the_same():
    texts = [case[0] for case in VALUES + FILES]
    assert len(set(texts)) == len(texts) >= 60


@pytest.mark.parametrize(("text", "words"), [(text, words) for text, *words in VALUES + FILES])
def test_snakemake_refuses_it_before_any_job_with_one_message_and_touches_no_file(refusals, text, words):
    exit_code, output, before, after = refusals[text]
    assert exit_code == 1
    assert all(word in output for word in words), output
    assert output.count("Error in file") == 1
    assert "Traceback" not in output and "rule " not in output
    assert before == after


@pytest.mark.parametrize(("text", "words"), [(text, words) for text, *words in VALUES])
def test_the_message_is_one_line_that_names_key_value_and_what_is_allowed(text, words):
    with pytest.raises(ConfigError) as error:
        validated(yaml.safe_load(text), SCHEMA)
    lines = [line for line in str(error.value).splitlines() if all(word in line for word in words)]
    assert len(lines) == 1
    assert lines[0].startswith("config: ")


def test_missing_config_is_refused_with_its_path(tmp_path):
    for name in SOURCES:
        (tmp_path / name).symlink_to(ROOT / name)
    result = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "1"],
        cwd=tmp_path,
        env=environment(ROOT),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert result.returncode == 1
    assert str(tmp_path / "config.yaml") in result.stdout
    assert "Traceback" not in result.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--config", "sede=1"], "sede is not a known key (did you mean seed?)"),
        (["--config", "seed=-1"], "seed is -1; expected a whole number"),
        (["--configfile", "other.yaml"], "other.yaml, line 1: seed is given a second time"),
    ],
)
def test_what_the_command_line_says_of_the_config_is_checked_too(tmp_path, options, words):
    for name in SOURCES:
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / "config.yaml").write_text(RUN)
    (tmp_path / "other.yaml").write_text('{"seed": 1, "seed": 2}')
    result = snakemake(tmp_path, "--cores", "1", *options, PYTHONPATH=str(ROOT / "src"))
    assert result.returncode == 1
    assert words in result.stdout
    assert "Traceback" not in result.stdout
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda path: path.write_bytes(b"seed: \xff"), "config.yaml: 'utf-8' codec can't decode byte 0xff"),
        (lambda path: path.mkdir(), "Is a directory"),
    ],
    ids=["not UTF-8", "a folder"],
)
def test_what_is_no_text_is_refused(tmp_path, make, words):
    make(tmp_path / "config.yaml")
    with pytest.raises(ConfigError, match=words):
        check_syntax(tmp_path / "config.yaml")


def keys(part, path=()):
    """The path of every key of the schema."""
    for key, item in part.get("properties", {}).items():
        yield (*path, key)
        yield from keys(item, (*path, key))


def put(config, path, value):
    for key in path[:-1]:
        config = config.setdefault(key, {})
    config[path[-1]] = value


KEYS = sorted(path for path in keys(SCHEMA) if "grid" not in path)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None), max_size=8)
    | st.dates()
    | st.sampled_from(["1e-3", "nan", "0x10", "train", "airplane", "float64"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(SCALARS, children, max_size=3),
    max_leaves=6,
)


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(KEYS), ANYTHING)
def test_anything_in_the_place_of_a_value_is_completed_or_refused_by_its_name(path, value):
    config = yaml.safe_load(RUN)
    put(config, path, value)
    try:
        completed = validated(config, SCHEMA)
    except ConfigError as error:
        message = str(error)
        assert all(line.startswith("config: ") for line in message.split("\n"))
        assert ".".join(path) in message
        message.encode()
    else:
        assert combinations(completed)
        assert json.loads(json.dumps(completed, allow_nan=False)) == completed


@st.composite
def typos(draw):
    """A key of the schema, and the same key with a letter dropped, doubled, replaced or inserted."""
    # With one letter wrong, a key of two letters resembles nothing.
    path = draw(st.sampled_from([path for path in KEYS if len(path[-1]) > 2]))
    key = path[-1]
    at = draw(st.integers(0, len(key) - 1))
    letter = draw(st.sampled_from("aeiqxz_"))
    wrong = draw(
        st.sampled_from(
            [
                key[:at] + key[at + 1 :],
                key[:at] + key[at] + key[at:],
                key[:at] + letter + key[at + 1 :],
                key[:at] + letter + key[at:],
            ]
        )
    )
    return path, wrong


@settings(max_examples=300, deadline=None)
@given(typos())
def test_a_misspelt_key_is_refused_with_the_right_one(typo):
    path, wrong = typo
    config = yaml.safe_load(RUN)
    if any((*path[:-1], wrong) == known for known in KEYS):
        return
    put(config, (*path[:-1], wrong), 1)
    with pytest.raises(ConfigError) as error:
        validated(config, SCHEMA)
    name = ".".join((*path[:-1], wrong))
    assert f"config: {name} is not a known key (did you mean {path[-1]}?)" in str(error.value)


PIECES = ["seed", ": ", "\n", "  ", "- ", "[", "{", "}", ",", "1", "&a ", "*a", "'", "!!set ", "? ", "|"]


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=80) | st.lists(st.sampled_from(PIECES)).map("".join))
def test_any_text_is_config_or_is_refused_with_one_error(tmp_path_factory, text):
    path = tmp_path_factory.getbasetemp() / "config.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        check_syntax(path)
        config = validated(load_configfile(path), SCHEMA)
    except (ConfigError, WorkflowError):
        return
    assert all(math.isfinite(run["lr"]) for run in combinations(config))


def test_wildcard_characters_in_the_path_of_the_archive_are_refused(tmp_path):
    config = SMALL | {"data": {"source": "archive", "archive": "own.tar.gz"}}
    folder = copy_project(tmp_path / "a {b} <c>", config)
    (folder / "own.tar.gz").touch()
    result = snakemake(folder, "--dry-run", "--cores", "1")
    assert result.returncode == 1
    assert (
        f"data.archive is {folder / 'own.tar.gz'}; Snakemake reads braces and angle brackets" in result.stdout
    )
    assert "Traceback" not in result.stdout
