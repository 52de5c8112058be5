import pytest

from handgrad.errors import ConfigError
from handgrad.pipeline.submissions import submissions, take_trainers


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("ada.py", "bob.ipynb", "notes.txt", "one/task.py", "two/task.py", "o d d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()


def test_files_are_named_by_their_stems_where_these_differ():
    assert submissions("*") == {"ada": "ada.py", "bob": "bob.ipynb", "o_d_d": "o d d.py"}
    assert submissions(["*/task.py"]) == {"one_task.py": "one/task.py", "two_task.py": "two/task.py"}
    assert submissions(["one", "ada.py", "ada.py"]) == {"task": "one/task.py", "ada": "ada.py"}
    assert submissions([]) == {}


@pytest.mark.parametrize("pattern", ["missing.py", "notes.txt", "none/*"])
def test_a_pattern_without_scripts_and_notebooks_is_refused(pattern):
    with pytest.raises(ConfigError, match="there is no such script"):
        submissions([pattern])


def test_a_path_that_snakemake_cannot_take_is_refused(tmp_path):
    (tmp_path / "a{b}.py").touch()
    with pytest.raises(ConfigError, match=r"expected a path without any of \{\}<>"):
        submissions(["a*.py"])


def test_trainers_of_files_are_taken_out_of_the_config():
    config = {"training": {"trainers": ["train", "ada.py:backpropagation", "ada.py:train_manual_update"]}}
    assert take_trainers(config) == {"ada.backpropagation": "ada.py", "ada.train_manual_update": "ada.py"}
    assert config == {"training": {"trainers": ["train"]}}


@pytest.mark.parametrize("config", [{}, {"training": None}, {"training": {"trainers": "train"}}])
def test_a_config_without_trainers_of_files_stays(config):
    before = dict(config)
    assert take_trainers(config) == {}
    assert config == before


@pytest.mark.parametrize("trainer", ["missing.py:backpropagation", "ada.py:train", "ada.py:"])
def test_a_trainer_that_is_not_there_is_refused(trainer):
    with pytest.raises(ConfigError, match="FILE:train_manual_update or FILE:backpropagation"):
        take_trainers({"training": {"trainers": ["train", trainer]}})
