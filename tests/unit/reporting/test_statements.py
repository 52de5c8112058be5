import pytest
from helpers.made_up_facts import (
    DEFAULT_COMBINATIONS,
    baselines,
    comparison,
    evaluation,
    facts,
    histories,
    selection,
    summary,
)
from helpers.outcomes import OUTCOMES, raw

from handgrad.activations import ACTIVATIONS
from handgrad.reporting.facts import assemble
from handgrad.reporting.statements import PREDICATES, statements


@pytest.mark.slow
def test_every_predicate_holds_in_some_scenario_and_fails_in_another():
    outcomes = {name: set() for name in PREDICATES}
    for name in OUTCOMES:
        for predicate, holds in assemble(**raw(name))["statements"].items():
            outcomes[predicate].add(holds)
    assert {name for name, seen in outcomes.items() if len(seen) == 1} == set()


def test_a_gap_within_its_interval_is_no_overfitting():
    # 963 validation images: an interval of about plus or minus two percentage points.
    assert not statements(facts(evaluation=evaluation(training_accuracy=0.885)))["overfits"]
    assert statements(facts(evaluation=evaluation(training_accuracy=0.905)))["overfits"]


@pytest.mark.parametrize(("p_value", "within_noise"), [(0.049, False), (0.05, True), (1.0, True)])
def test_the_choice_is_within_noise_from_the_level_of_the_test_on(p_value, within_noise):
    assert statements(facts(selection=selection(p_value=p_value)))["choice_within_noise"] is within_noise


def test_a_validation_loss_that_ends_a_tenth_above_its_minimum_has_turned():
    rows = histories(selection())
    for row in rows:
        row["validation_loss"] = [*row["validation_loss"][:-1], 1.1 * min(row["validation_loss"][:-1])]
    assert statements(facts(histories=rows))["validation_loss_turned"]


def test_gradients_are_bit_identical_only_if_all_are():
    given = facts()
    given["gradients"]["autograd"] |= {"checks": 72, "bit_identical": 71}
    assert not statements(given)["gradients_bit_identical"]
    given["gradients"]["autograd"]["bit_identical"] = 72
    assert statements(given)["gradients_bit_identical"]


@pytest.mark.parametrize(("forward", "central"), [(0.5, 2.0), (1.0, 1.0), (1.0, 2.2)])
def test_slopes_other_than_one_and_two_are_not_as_expected(forward, central):
    given = facts()
    given["gradients"]["epsilon_sweep"]["forward"]["slope"] = forward
    given["gradients"]["epsilon_sweep"]["central"]["slope"] = central
    assert not statements(given)["slopes_as_expected"]


def test_a_class_with_much_more_than_its_share_is_imbalance():
    counts = summary()
    counts["splits"]["train"]["class_counts"] = {"airplane": 6037, "bird": 3000}
    assert not statements(facts(summary=counts))["balanced"]


def test_recalls_differ_by_the_interval_of_their_difference_though_their_own_overlap():
    given = facts(evaluation=evaluation(recalls=(0.855, 0.82)))
    first, second = given["evaluation"]["per_class"]
    assert first["recall_interval"][0] < second["recall_interval"][1]
    assert given["evaluation"]["recall_difference_interval"] == pytest.approx((0.003, 0.067), abs=5e-4)
    assert statements(given)["classes_differ"]


def test_a_collapse_at_the_weight_decay_of_others_is_not_blamed_on_it():
    rows = [*DEFAULT_COMBINATIONS, (1.0, 0.0, 0.99, 0.506, 0.7, 0.5, 0.7)]
    given = statements(facts(selection=selection(rows)))
    assert given["some_collapsed"]
    assert not given["collapse_by_weight_decay"]


def test_divergence_at_a_learning_rate_that_others_survive_is_not_blamed_on_it():
    rows = [*DEFAULT_COMBINATIONS, (0.1, 0.0, 0.99, 0.506, 0.7, 0.5, 0.7)]
    given = statements(facts(selection=selection(rows, diverged=1)))
    assert given["some_diverged"]
    assert not given["divergence_by_learning_rate"]


def test_a_learning_rate_between_others_is_not_at_the_edge():
    rows = [*DEFAULT_COMBINATIONS, (1.0, 0.0, 0.0, 0.6, 0.7, 0.5, 0.7)]
    assert not statements(facts(selection=selection(rows)))["selected_largest_lr"]


def test_underfitting_is_measured_against_the_linear_model_on_the_training_images():
    fitted = evaluation(training_accuracy=0.85)
    assert not statements(facts(evaluation=fitted, baselines=baselines(0.84)))["underfits"]
    assert statements(facts(evaluation=fitted, baselines=baselines(0.86)))["underfits"]
    perfect = fitted | {"training_accuracy": 1.0, "training_accuracy_interval": [0.96, 1.0]}
    assert not statements(facts(evaluation=perfect, baselines=baselines(1.0)))["underfits"]


def test_manual_trainers_alone_compare_backpropagation_but_no_update_of_pytorch():
    manual = comparison() | {"trainers": ["train_manual_update", "train_manual_backprop"]}
    given = statements(facts(comparison=manual))
    assert given["backpropagation_compared"]
    assert not given["update_compared"]


def test_the_report_names_the_activation_whose_derivative_is_a_kernel():
    assert [name for name, activation in ACTIVATIONS.items() if activation.kernel] == ["gelu"]
