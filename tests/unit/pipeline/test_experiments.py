from pathlib import Path

import pytest

from handgrad.errors import ConfigError
from handgrad.pipeline.experiments import experiment_name, store_folder


def test_the_name_is_that_of_the_file():
    assert experiment_name([]) is None
    assert experiment_name([Path("my_config.yaml")]) is None
    assert experiment_name([Path("mine.yaml"), Path("experiments/wide-2.yaml")]) == "wide-2"
    assert experiment_name([Path("/somewhere/experiments/wide.yaml")]) == "wide"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        (["experiments/runs.yaml"], r"experiments/runs\.yaml: results/runs is used otherwise"),
        (["experiments/a b.yaml"], r"experiments/a b\.yaml: expected a name of letters"),
        (["experiments/..yaml"], "expected a name of letters"),
        (["experiments/a.yaml", "experiments/b.yaml"], "--configfile names 2 experiments"),
    ],
)
def test_names_that_cannot_be_are_refused(files, message):
    with pytest.raises(ConfigError, match=message):
        experiment_name(map(Path, files))


def test_only_other_settings_have_a_folder_in_the_store():
    plain = {"seed": 256, "classes": ["airplane", "bird"]}
    assert store_folder(dict(plain), plain) == ""
    other = store_folder(plain | {"seed": 1}, plain)
    assert len(other) == 13
    assert other.endswith("/")
    # It depends on the settings only, not on config.yaml or the order of the keys.
    assert store_folder({"classes": ["airplane", "bird"], "seed": 1}, None) == other
    assert store_folder(plain | {"seed": 2}, plain) != other
