import inspect
import json
import math
import subprocess
import sys

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from handgrad import hyperparameters
from handgrad.activations import ACTIVATIONS
from handgrad.hyperparameters import (
    HYPERPARAMETERS,
    Combination,
    named_in,
    run_path,
    short_label,
    short_value,
    shown_in,
)
from handgrad.training import train_manual_backprop, train_manual_update

STRATEGIES = {
    float: st.floats(0, 0.875, exclude_min=True),
    bool: st.booleans(),
    int: st.integers(1, 100),
    str: st.sampled_from(hyperparameters.ACTIVATIONS),
    tuple[int, ...]: st.lists(st.integers(1, 65536), min_size=1, max_size=4).map(tuple),
}
COMBINATIONS = st.builds(
    Combination, **{name: STRATEGIES[parameter.type] for name, parameter in HYPERPARAMETERS.items()}
)


def test_a_run_of_the_first_release_keeps_its_folder():
    assert run_path(Combination(0.01, 0.0, 0.9), 256) == "lr~0.01/weight_decay~0.0/momentum~0.9/seed~256"


def test_another_hyperparameter_is_in_the_path_only_where_it_is_not_the_default():
    assert run_path(Combination(0.1, 0.0, 0.9, nesterov=True), 7) == (
        "lr~0.1/weight_decay~0.0/momentum~0.9/nesterov~true/seed~7"
    )
    assert run_path(Combination(0.1, 0.0, 0.9, dampening=0.5), 7) == (
        "lr~0.1/weight_decay~0.0/momentum~0.9/dampening~0.5/seed~7"
    )


@given(COMBINATIONS, COMBINATIONS, st.integers(0, 3), st.integers(0, 3))
def test_two_runs_never_share_a_folder(one, other, seed, other_seed):
    assert (run_path(one, seed) == run_path(other, other_seed)) == ((one, seed) == (other, other_seed))


@given(COMBINATIONS)
def test_a_combination_survives_its_record(combination):
    assert Combination.of(combination.named() | {"seed": 1, "trainer": "train"}) == combination


@given(COMBINATIONS)
def test_a_short_value_is_the_value(combination):
    for name in ("lr", "weight_decay", "momentum", "dampening"):
        value = getattr(combination, name)
        assert float(short_value(value)) == value


def test_values_of_the_short_label():
    combination = Combination(0.01, 0.0, 0.9, nesterov=True)
    assert short_label(combination, ["lr", "weight_decay", "momentum"]) == "lr 0.01, wd 0, m 0.9"
    assert short_label(combination, ["nesterov"]) == "n yes"
    assert short_value(0.1 + 0.2) == "0.30000000000000004"


def test_abbreviations_tell_the_hyperparameters_apart():
    abbreviations = [parameter.abbreviation for parameter in HYPERPARAMETERS.values()]
    assert len(set(abbreviations)) == len(abbreviations)


def test_what_is_named_and_what_is_shown():
    always = ["lr", "weight_decay", "momentum"]
    plain, fast = Combination(0.1, 0.0, 0.9), Combination(0.1, 0.0, 0.9, nesterov=True)
    assert named_in([plain]) == shown_in([plain]) == always
    assert named_in([plain, fast]) == shown_in([plain, fast]) == [*always, "nesterov"]
    # It identifies the combination, but does not distinguish it from another.
    assert named_in([fast]) == [*always, "nesterov"]
    assert shown_in([fast]) == always


@pytest.mark.parametrize(
    ("combination", "wrong"),
    [
        (Combination(momentum=0.9), False),
        (Combination(momentum=0.9, nesterov=True), False),
        (Combination(momentum=0.9, dampening=0.1), False),
        (Combination(momentum=0.0, nesterov=True), True),
        (Combination(momentum=0.9, dampening=0.1, nesterov=True), True),
    ],
)
def test_contradictions_are_those_that_pytorch_refuses(combination, wrong):
    parameters = [torch.zeros(1, requires_grad=True)]
    if wrong:
        with pytest.raises(ValueError, match="Nesterov"):
            torch.optim.SGD(parameters, **combination.sgd)
    else:
        torch.optim.SGD(parameters, **combination.sgd)
    assert (combination.contradiction() is not None) == wrong


def test_the_settings_of_the_update_are_the_parameters_of_the_trainers_with_equal_defaults():
    sgd = Combination().sgd
    for trainer in (train_manual_update, train_manual_backprop):
        parameters = inspect.signature(trainer).parameters
        assert set(sgd) <= set(parameters)
        for name in sgd.keys() - {"lr"}:
            assert parameters[name].default == sgd[name]
            assert type(parameters[name].default) is type(sgd[name])


def test_defaults_are_within_their_bounds():
    assert math.isfinite(Combination().lr)
    assert Combination().contradiction() is None


def test_the_activations_are_those_of_the_library():
    assert set(hyperparameters.ACTIVATIONS) == set(ACTIVATIONS)


def test_no_folder_name_is_longer_than_file_systems_allow():
    longest = HYPERPARAMETERS["hidden"].bounds["maxItems"] * (65536,)
    assert all(len(part) <= 255 for part in run_path(Combination(hidden=longest), 2**63 - 1).split("/"))


def test_a_combination_from_json_is_the_same_as_one_from_python():
    combination = Combination(hidden=(16, 8), activation="tanh", nesterov=True, momentum=0.9)
    read = Combination.of(json.loads(json.dumps(combination.named())))
    assert read == combination
    assert {read: 1}[combination] == 1


def test_the_module_imports_no_torch():
    program = "import sys, handgrad.hyperparameters; print('torch' in sys.modules, 'numpy' in sys.modules)"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "False False\n"
