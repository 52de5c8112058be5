import json

import pytest
import torch

from handgrad.activations import ACTIVATIONS
from handgrad.errors import GradientError
from handgrad.stages import check_gradients

pytestmark = pytest.mark.slow

NETWORKS = [[2, 3, 2], [5, 4, 3], [576, 128, 32, 10], [8, 8, 8, 8, 8, 8, 8, 3]]


def run(output, seed=256):
    threads = torch.get_num_threads()
    check_gradients.main(check_gradients.Options(seed, output))
    torch.set_num_threads(threads)
    return json.loads(output.read_text())


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return run(tmp_path_factory.mktemp("gradients") / "check.json")


@pytest.mark.parametrize("part", ["autograd", "central_differences"])
def test_every_network_activation_loss_and_batch_size_is_checked(report, part):
    checks = report[part]["checks"]
    cases = {
        (tuple(check["network"]), check["activation"], check["loss"], check["batch_size"])
        for check in checks
        if check["dtype"] == "float64"
    }
    assert len(cases) == 4 * 7 * 3 * 3
    assert {case[0] for case in cases} == set(map(tuple, NETWORKS))
    assert {case[1] for case in cases} == set(ACTIVATIONS)
    assert {case[2] for case in cases} == {"squared_error", "mse", "cross_entropy"}
    assert {case[3] for case in cases} == {1, 7, 32}


def test_errors_are_within_the_tolerances(report):
    assert report["passed"] is True
    assert report["autograd"]["tolerance"] == 1e-12
    assert all(check["largest_relative_error"] <= 1e-12 for check in report["autograd"]["checks"])
    central = report["central_differences"]
    assert (central["epsilon"], central["tolerance"]) == (1e-5, 1e-6)
    assert all(check["largest_relative_error"] <= 1e-6 for check in central["checks"])


def test_small_networks_are_checked_whole_and_large_ones_by_a_sample(report):
    sizes = {
        (check["parameters"], check["parameters_checked"] + check["kinks"] + check["unmeasurable"])
        for check in report["central_differences"]["checks"]
    }
    # 4 weights and 4 biases per layer; 3 biases in the last layer, which has 3 outputs
    assert sizes == {(17, 17), (39, 39), (78314, 24), (459, 55)}


def test_the_trainers_case_agrees_with_autograd_to_the_bit_in_both_precisions(report):
    checks = [
        check
        for check in report["autograd"]["checks"]
        if (check["activation"], check["loss"]) == ("relu", "cross_entropy")
    ]
    assert {(check["implementation"], check["dtype"]) for check in checks} == {
        ("backpropagation", "float64"),
        ("backpropagation", "float32"),
        ("buffers", "float64"),
        ("buffers", "float32"),
    }
    assert all(check["bit_identical"] for check in checks)


def test_the_sweep_has_its_points_and_both_curves(report):
    sweep = report["epsilon_sweep"]
    epsilons = [point["epsilon"] for point in sweep["points"]]
    assert {1e-1, 1e-5, 1e-13} <= set(epsilons)
    assert sweep["forward"]["slope"] == pytest.approx(1, abs=0.01)
    assert sweep["central"]["slope"] == pytest.approx(2, abs=0.01)
    best = min(sweep["points"], key=lambda point: point["central"])
    assert sweep["central"]["best_epsilon"] == best["epsilon"]
    assert sweep["central"]["best_error"] == best["central"]


def test_the_same_seed_gives_the_same_file(report, monkeypatch, tmp_path):
    assert run(tmp_path / "again.json") == report


def test_a_wrong_gradient_fails_the_stage_and_leaves_no_file(monkeypatch, tmp_path):
    by_hand = check_gradients.gradients_by_hand

    def with_a_mistake(*arguments):
        first, *others = by_hand(*arguments)
        return [2 * first, *others]

    monkeypatch.setattr(check_gradients, "gradients_by_hand", with_a_mistake)
    with pytest.raises(GradientError, match=r"layer 1, weight\[\d, \d\]: the gradient is .* by autograd"):
        run(tmp_path / "check.json")
    assert list(tmp_path.iterdir()) == []


def test_the_textbook_form_ends_close_to_autograd_but_not_at_its_bits(report):
    textbook = report["textbook"]
    assert textbook["epochs"] == 50
    assert 0 < textbook["parameter_difference"] < 1e-10 < textbook["largest_parameter"]
    assert 0 < textbook["loss_difference"] < 1e-10
