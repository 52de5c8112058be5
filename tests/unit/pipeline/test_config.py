import math
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from handgrad.errors import ConfigError
from handgrad.hyperparameters import Combination
from handgrad.pipeline.config import (
    combinations,
    compared_combinations,
    compared_seeds,
    read_schema,
    validated,
)

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = read_schema(ROOT / "workflow/schemas/config.schema.yaml")
RUN = {"lr": 0.01, "weight_decay": 0.0, "momentum": 0.9}


def complaint(config):
    with pytest.raises(ConfigError) as error:
        validated(config, SCHEMA)
    return str(error.value)


def test_defaults_are_filled_in():
    config = validated({"hyperparameters": [RUN]}, SCHEMA)
    assert config["training"] == {
        "lr": 0.01,
        "weight_decay": 0.0,
        "momentum": 0.0,
        "dampening": 0.0,
        "nesterov": False,
        "batch_size": 256,
        "shuffle": False,
        "epochs": 50,
        "threads": 1,
        "trainers": ["train", "train_manual_update", "train_manual_backprop"],
        "seeds": [256],
        "checkpoint_every": 0,
        "keep": "last",
    }
    assert config["model"] == {"hidden": [512, 128, 32], "activation": "relu"}
    assert config["data"]["classes"] == ["airplane", "bird"]
    assert config["dtype"] == "float64"


def test_the_config_of_the_repository_is_valid_and_names_every_key_of_the_schema():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    completed = validated(config, SCHEMA)
    assert len(combinations(completed)) == 9
    assert completed == config | {"hyperparameters": completed["hyperparameters"]}
    for section, part in SCHEMA["properties"].items():
        if section != "grid":
            assert (
                set(config[section]) == set(part["properties"]) if "properties" in part else section in config
            )


def test_every_default_of_the_schema_is_the_value_in_the_repository_config():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    defaults = validated({"hyperparameters": config["hyperparameters"]}, SCHEMA)
    mirrors = config["data"].pop("mirrors")
    assert defaults["data"].pop("mirrors") == [] and len(mirrors) == 4
    assert defaults | {"hyperparameters": None} == config | {"hyperparameters": None}


def test_grid_adds_its_product_after_the_listed_combinations():
    grid = {"lr": [0.1, 0.2], "weight_decay": [0], "momentum": [0, 0.5]}
    config = validated({"hyperparameters": [RUN], "grid": grid}, SCHEMA)
    assert combinations(config) == [
        Combination(lr=0.01, weight_decay=0.0, momentum=0.9),
        Combination(lr=0.1, weight_decay=0.0, momentum=0.0),
        Combination(lr=0.1, weight_decay=0.0, momentum=0.5),
        Combination(lr=0.2, weight_decay=0.0, momentum=0.0),
        Combination(lr=0.2, weight_decay=0.0, momentum=0.5),
    ]


def test_what_a_combination_does_not_name_has_the_value_of_its_section():
    config = validated(
        {
            "training": {"momentum": 0.9, "batch_size": 32},
            "model": {"hidden": [16, 8]},
            "hyperparameters": [{}, {"momentum": 0.5, "hidden": [4]}],
            "grid": {"activation": ["tanh", "relu"], "epochs": [5]},
        },
        SCHEMA,
    )
    assert combinations(config) == [
        Combination(0.01, 0.0, 0.9, batch_size=32, hidden=(16, 8)),
        Combination(0.01, 0.0, 0.5, batch_size=32, hidden=(4,)),
        Combination(0.01, 0.0, 0.9, batch_size=32, hidden=(16, 8), activation="tanh", epochs=5),
        Combination(0.01, 0.0, 0.9, batch_size=32, hidden=(16, 8), epochs=5),
    ]


@pytest.mark.parametrize(
    ("comparison", "expected"),
    [
        ({}, [(0.1, 50), (0.2, 50), (0.3, 2)]),
        ({"combinations": "all"}, [(0.1, 50), (0.2, 50), (0.3, 2)]),
        ({"combinations": [3, 1]}, [(0.1, 50), (0.3, 2)]),
        ({"combinations": {"first": 2}}, [(0.1, 50), (0.2, 50)]),
        ({"epochs": 5}, [(0.1, 5), (0.2, 5), (0.3, 2)]),
        ({"epochs": 1, "combinations": [2]}, [(0.2, 1)]),
    ],
)
def test_the_combinations_that_every_trainer_trains(comparison, expected):
    listed = [{"lr": 0.1}, {"lr": 0.2}, {"lr": 0.3, "epochs": 2}]
    config = validated({"hyperparameters": listed, "comparison": comparison}, SCHEMA)
    assert [(one.lr, one.epochs) for one in compared_combinations(config)] == expected


@pytest.mark.parametrize(
    ("seeds", "expected"),
    [("all", [5, 3, 4]), ({"first": 2}, [5, 3]), ([4, 5], [5, 4]), ([3], [3])],
)
def test_the_seeds_that_every_trainer_trains(seeds, expected):
    config = validated(
        {"hyperparameters": [RUN], "training": {"seeds": [5, 3, 4]}, "comparison": {"seeds": seeds}}, SCHEMA
    )
    assert compared_seeds(config) == expected


@pytest.mark.parametrize(
    ("comparison", "message"),
    [
        (
            {"combinations": "some"},
            "comparison.combinations is 'some'; expected all, a list of numbers of combinations such as "
            "[1, 5], or {first: 3}",
        ),
        ({"combinations": []}, "comparison.combinations is []; expected all, a list"),
        ({"combinations": [0]}, "comparison.combinations is [0]; expected all, a list"),
        ({"combinations": {"frist": 3}}, "comparison.combinations is {'frist': 3}; expected all, a list"),
        (
            {"combinations": {"first": 3}},
            "comparison.combinations names 3; expected at most 1, the number of combinations",
        ),
        (
            {"seeds": {"first": 2}},
            "comparison.seeds is the first 2; expected at most 1, the number of training.seeds",
        ),
        ({"seeds": [256, 7]}, "comparison.seeds has 7; expected seeds that are in training.seeds"),
        (
            {"seeds": "some"},
            "comparison.seeds is 'some'; expected all, a list of some of training.seeds",
        ),
        ({"epochs": 0}, "comparison.epochs is 0; expected null, or a whole number, at least 1"),
    ],
)
def test_a_comparison_that_cannot_be_is_refused(comparison, message):
    assert message in complaint({"hyperparameters": [RUN], "comparison": comparison})


def test_a_combination_given_twice_in_different_words_is_refused():
    listed = [{"lr": 0.1}, {"lr": 0.1000000000000000055, "weight_decay": -0.0, "batch_size": 256.0}]
    assert "lr 0.1, weight_decay 0.0, momentum 0.0 twice" in complaint({"hyperparameters": listed})


def test_any_hyperparameter_can_be_in_the_list_and_in_the_grid():
    grid = {"nesterov": [False, True], "lr": [0.1], "weight_decay": [0], "momentum": [0.9]}
    config = validated({"hyperparameters": [RUN | {"dampening": 0.5}], "grid": grid}, SCHEMA)
    assert combinations(config) == [
        Combination(0.01, 0.0, 0.9, dampening=0.5),
        Combination(0.1, 0.0, 0.9, nesterov=False),
        Combination(0.1, 0.0, 0.9, nesterov=True),
    ]


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"momentum": 0}, "lr 0.01, weight_decay 0.0, momentum 0.0, nesterov true"),
        ({"dampening": 0.5}, "lr 0.01, weight_decay 0.0, momentum 0.9, dampening 0.5, nesterov true"),
    ],
)
def test_nesterov_without_momentum_or_with_dampening_is_refused(settings, named):
    assert complaint({"hyperparameters": [RUN, RUN | {"nesterov": True} | settings]}) == (
        f"config: hyperparameters and grid have the combination {named}, but nesterov needs momentum above 0 "
        "and dampening 0; change or remove it"
    )


def test_minus_zero_is_zero():
    config = validated({"hyperparameters": [RUN | {"weight_decay": -0.0}]}, SCHEMA)
    assert repr(combinations(config)[0].weight_decay) == "0.0"
    assert "twice" in complaint({"hyperparameters": [RUN, RUN | {"weight_decay": -0.0}]})


def test_numbers_get_the_type_that_the_schema_names():
    config = validated(
        {"training": {"epochs": 5.0}, "hyperparameters": [{"lr": 1, "weight_decay": 0, "momentum": 0}]},
        SCHEMA,
    )
    assert repr(config["training"]["epochs"]) == "5"
    assert repr(config["hyperparameters"][0]) == "{'lr': 1.0, 'weight_decay': 0.0, 'momentum': 0.0}"


def test_unknown_key_is_refused_with_the_nearest_known_key():
    assert complaint({"hyperparameters": [RUN], "training": {"epoch": 5}}) == (
        "config: training.epoch is not a known key (did you mean epochs?)"
    )


def test_key_in_the_wrong_section_is_refused_with_the_right_one():
    assert complaint({"hyperparameters": [RUN], "epochs": 5}) == (
        "config: epochs is not a known key (it belongs under training)"
    )


def test_number_that_yaml_reads_as_text_is_refused_with_how_to_write_it():
    assert complaint(yaml.safe_load("hyperparameters: [{lr: 1e-3, weight_decay: 0, momentum: 0}]")) == (
        "config: hyperparameters[0].lr is '1e-3'; expected a number, above 0, at most 1000 "
        "(YAML takes it for text: write 0.001, without quotes)"
    )


def test_every_problem_is_named():
    message = complaint({"hyperparameters": [], "seed": -1, "data": {"classes": ["airplane", "brid"]}})
    assert message.splitlines() == [
        "config: data.classes[1] is 'brid'; expected one of airplane, automobile, bird, cat, deer, dog, "
        "frog, horse, ship, truck (did you mean bird?)",
        "config: seed is -1; expected a whole number, at least 0, at most 9223372036854775807",
    ]


def test_combination_in_list_and_grid_is_refused():
    grid = {"lr": [0.01], "weight_decay": [0], "momentum": [0.9]}
    assert complaint({"hyperparameters": [RUN], "grid": grid}) == (
        "config: hyperparameters and grid have the combination lr 0.01, weight_decay 0.0, momentum 0.9 "
        "twice; expected each once"
    )


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"source": "archive"}, "config: data.archive is null; expected the path of an archive"),
        ({"source": "download"}, "config: data.mirrors is empty; expected at least one URL"),
        (
            {"source": "synthetic", "classes": ["airplane", "cat"]},
            "config: data.classes has cat; expected airplane",
        ),
    ],
)
def test_keys_that_contradict_each_other_are_refused(data, message):
    assert complaint({"hyperparameters": [RUN], "data": data}).startswith(message)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
KEYS = st.sampled_from(list(SCHEMA["properties"])) | st.text(max_size=8)


@pytest.mark.slow
@given(st.dictionaries(KEYS, JSON, max_size=4))
def test_any_config_is_either_completed_or_refused_with_one_config_error(config):
    try:
        completed = validated(config, SCHEMA)
    except ConfigError as error:
        assert str(error).startswith("config: ")
        return
    assert all(math.isfinite(run.lr) for run in combinations(completed))
    assert validated(completed, SCHEMA) == completed
