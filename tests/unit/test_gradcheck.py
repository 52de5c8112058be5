import math
import re

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from handgrad.activations import ACTIVATIONS
from handgrad.buffers import Buffers
from handgrad.errors import GradientError
from handgrad.gradcheck import (
    check_against_autograd,
    check_gradients,
    gradients_by_hand,
    sweep_epsilon,
)
from handgrad.networks import MyMLP, MyNet

float64 = torch.float64


def draw(n_l, activation="tanh", samples=7, dtype=float64):
    torch.manual_seed(1)
    model = MyNet(n_l, activation).to(dtype)
    return model, torch.randn(samples, n_l[0], dtype=dtype), torch.randn(samples, n_l[-1], dtype=dtype)


def scalar_network(activation, weight, bias):
    model = MyNet([1, 1], activation).double()
    with torch.no_grad():
        model.fc["1"].weight.fill_(weight)
        model.fc["1"].bias.fill_(bias)
    return model


def one(value):
    return torch.tensor([[value]], dtype=float64)


@st.composite
def networks(draw):
    """A network of any shape, activation and dtype, saturated or not, a batch, and a loss."""
    n_l = draw(st.lists(st.integers(1, 9), min_size=2, max_size=5))
    loss = draw(st.sampled_from(["squared_error", "mse", "cross_entropy"]))
    dtype = draw(st.sampled_from([float64, torch.float32]))
    samples = draw(st.integers(1, 9))
    torch.manual_seed(draw(st.integers(0, 10**6)))
    model = MyNet(n_l, [draw(st.sampled_from(list(ACTIVATIONS))) for _ in n_l[1:]]).to(dtype)
    inputs = draw(st.sampled_from([0.01, 1.0, 10.0])) * torch.randn(samples, n_l[0], dtype=dtype)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(draw(st.sampled_from([0.1, 1.0, 10.0])))
    if loss == "cross_entropy":
        return model, inputs, torch.randint(n_l[-1], (samples,)), loss
    return model, inputs, torch.randn(samples, n_l[-1], dtype=dtype), loss


def complaint(check, *arguments, **options):
    with pytest.raises(GradientError) as error:
        check(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_right_gradients_pass_for_every_parameter(activation):
    model, inputs, y_true = draw([5, 4, 3], activation)
    check = check_gradients(model, inputs, y_true)
    assert check.parameters == 5 * 4 + 4 + 4 * 3 + 3
    assert check.parameters_checked + check.kinks + check.unmeasurable == check.parameters
    assert check.parameters_checked >= 30
    assert check.largest_relative_error < 1e-6
    assert check_against_autograd(model, inputs, y_true).largest_relative_error < 1e-12


def test_the_error_is_the_distance_to_the_derivative_relative_to_the_larger():
    # L = (3 w)^2, w = 1/2: dL/dw = 9; central differences of a parabola have no truncation error.
    model = scalar_network("identity", 0.5, 0.0)
    gradients = [one(9.0009), torch.tensor([3.0], dtype=float64)]
    check = check_gradients(model, one(3.0), one(0.0), gradients=gradients, tolerance=1e-3)
    assert check.largest_relative_error == pytest.approx(0.0009 / 9.0009, rel=1e-4)


@pytest.mark.parametrize(
    ("check", "reference"),
    [(check_gradients, "central differences"), (check_against_autograd, "autograd")],
)
def test_a_wrong_weight_is_named_with_both_values(check, reference):
    model, inputs, y_true = draw([5, 4, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    right = gradients[2][1, 3].item()
    gradients[2][1, 3] = wrong = 1.01 * right
    message = complaint(check, model, inputs, y_true, gradients=gradients)
    values = re.match(
        rf"layer 2, weight\[1, 3\]: the gradient is (\S+) by hand and (\S+) by {reference}", message
    )
    assert float(values[1]) == wrong
    assert float(values[2]) == pytest.approx(right, rel=1e-6)


def test_a_wrong_bias_is_named():
    model, inputs, y_true = draw([5, 4, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[1][2] = -gradients[1][2]
    assert complaint(check_gradients, model, inputs, y_true, gradients=gradients).startswith(
        "layer 1, bias[2]:"
    )
    assert complaint(check_against_autograd, model, inputs, y_true, gradients=gradients).startswith(
        "layer 1, bias[2]:"
    )


def test_a_gradient_of_the_wrong_shape_is_an_error():
    model, inputs, y_true = draw([5, 4, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[0] = gradients[0].T
    expected = "layer 1, weight: the gradient has the shape [5, 4]; expected [4, 5]"
    assert complaint(check_gradients, model, inputs, y_true, gradients=gradients) == expected
    assert complaint(check_against_autograd, model, inputs, y_true, gradients=gradients) == expected


def test_a_gradient_that_is_not_a_number_is_an_error():
    model, inputs, y_true = draw([2, 2])
    gradients = gradients_by_hand(model, inputs, y_true, "mse")
    gradients[0][0, 1] = math.nan
    assert "weight[0, 1]: the gradient is nan" in complaint(
        check_gradients, model, inputs, y_true, "mse", gradients
    )
    assert "weight[0, 1]: the gradient is nan" in complaint(
        check_against_autograd, model, inputs, y_true, "mse", gradients
    )


def test_the_gradients_of_the_trainer_are_checked_with_its_batch():
    torch.manual_seed(1)
    model = MyMLP(6, (5, 4), 3).double()
    inputs, y_true = torch.randn(8, 6, dtype=float64), torch.randint(3, (8,))
    buffers = Buffers(model, 8)
    buffers.forward(inputs)
    buffers.backward(y_true)
    check_gradients(model, inputs, y_true, "cross_entropy", buffers.gradients)
    buffers.gradients[3].mul_(2)
    assert complaint(check_gradients, model, inputs, y_true, "cross_entropy", buffers.gradients).startswith(
        "layer 2, bias["
    )


def test_a_sample_has_so_many_weights_and_biases_of_every_layer():
    model, inputs, y_true = draw([20, 10, 3])
    check = check_gradients(model, inputs, y_true, n_samples_per_layer=5)
    # 5 of 200 weights and of 10 biases; 5 of 30 weights, all 3 biases
    assert check.parameters_checked == 5 + 5 + 5 + 3
    assert check.parameters == 243


def test_the_seed_decides_which_parameters_are_sampled():
    model, inputs, y_true = draw([20, 10, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[0].mul_(2)

    def first_named(seed):
        return complaint(
            check_gradients, model, inputs, y_true, gradients=gradients, n_samples_per_layer=1, seed=seed
        ).split(":")[0]

    assert first_named(1) == first_named(1)
    assert len({first_named(seed) for seed in range(5)}) > 1


@pytest.mark.parametrize("activation", ["relu", "leaky_relu"])
def test_a_parameter_that_moves_a_unit_across_its_kink_is_reported_and_not_judged(activation):
    model = scalar_network(activation, weight=1.0, bias=-2.0)  # z = 1 * 2 - 2 = 0
    check = check_gradients(model, one(2.0), one(1.0))
    assert (check.parameters_checked, check.kinks) == (0, 2)


def test_a_unit_near_its_kink_is_judged_where_the_perturbation_stays_on_one_side():
    model = scalar_network("relu", weight=1.0, bias=-2.0 + 1.5e-5)
    # z = 1.5e-5: epsilon = 1e-5 moves it to 0.5e-5 via the bias, but to -0.5e-5 via the weight of input 2.
    check = check_gradients(model, one(2.0), one(1.0))
    assert (check.parameters_checked, check.kinks) == (1, 1)


def test_smooth_activations_have_no_kinks_at_zero():
    for activation in ("tanh", "sigmoid", "identity", "softplus", "gelu"):
        check = check_gradients(scalar_network(activation, weight=1.0, bias=-2.0), one(2.0), one(1.0))
        assert (check.parameters_checked, check.kinks) == (2, 0)


def test_steep_losses_are_told_from_mistakes():
    # z = w x with x = 3000: central differences at 1e-5 have a relative error of about (0.03)^2 / 6.
    model = scalar_network("tanh", weight=1e-4, bias=0.0)
    inputs, y_true = one(3000.0), one(1.0)
    assert check_gradients(model, inputs, y_true).parameters_checked == 2
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[0].mul_(1.0001)
    assert "layer 1, weight[0, 0]" in complaint(check_gradients, model, inputs, y_true, gradients=gradients)


def test_float32_gradients_are_judged_by_float64_differences():
    model, inputs, y_true = draw([5, 4, 3], dtype=torch.float32)
    assert check_gradients(model, inputs, y_true).parameters_checked == 39
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[0][2, 1] *= 1.001
    assert "layer 1, weight[2, 1]" in complaint(check_gradients, model, inputs, y_true, gradients=gradients)


def test_where_float32_puts_a_unit_beyond_its_kink_its_own_and_the_gradients_below_are_not_judged():
    model = MyNet([2, 2, 2, 1], ["identity", "relu", "identity"])
    with torch.no_grad():
        for layer in ("1", "2"):
            model.fc[layer].weight.copy_(torch.eye(2))
            model.fc[layer].bias.zero_()
        model.fc["2"].weight[0, 0] = 1e-30
    # z_2 = (1e-30 * 1e-20, 1): in float32 the first underflows to 0, at the kink of relu.
    check = check_gradients(model, torch.tensor([[1e-20, 1.0]]), torch.zeros(1, 1))
    # At kinks: the unit's two weights and bias, and what feeds it in the layer below. In float32, its
    # gradients are 0 where they are 1 in float64: not an error, but they are uninformative.
    assert check.kinks + check.unmeasurable >= 6
    assert check.parameters_checked >= 3 + 3


def test_a_loss_that_is_not_finite_leaves_nothing_to_judge():
    model, inputs, y_true = draw([2, 3, 2])
    with torch.no_grad():
        model.fc["1"].weight.fill_(math.inf)
    check = check_gradients(model, inputs, y_true)
    assert (check.parameters_checked, check.unmeasurable) == (0, check.parameters)


def test_a_check_leaves_the_model_as_it_was():
    model, inputs, y_true = draw([5, 4, 3])
    before = [parameter.detach().numpy().tobytes() for parameter in model.parameters()]
    check_gradients(model, inputs, y_true)
    check_against_autograd(model, inputs, y_true)
    sweep_epsilon(model, inputs, y_true)
    assert [parameter.detach().numpy().tobytes() for parameter in model.parameters()] == before
    assert all(parameter.grad is None for parameter in model.parameters())


def test_equal_bits_are_told_from_equal_to_rounding():
    model, inputs, y_true = draw([5, 4, 3], "identity")
    assert check_against_autograd(model, inputs, y_true).bit_identical
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[1][0] = torch.nextafter(gradients[1][0], one(math.inf)[0, 0])
    check = check_against_autograd(model, inputs, y_true, gradients=gradients)
    assert not check.bit_identical
    assert 0 < check.largest_relative_error < 1e-15


def test_the_sweep_shows_the_orders_of_the_truncation_errors_and_the_rounding_floor():
    sweep = sweep_epsilon(*draw([5, 4, 3]))
    assert sweep.epsilons[0] == 1e-1
    assert sweep.epsilons[-1] == 1e-13
    assert sweep.forward.slope == pytest.approx(1, abs=0.01)
    assert sweep.central.slope == pytest.approx(2, abs=0.01)
    # The square and cube roots of machine epsilon, 2.2e-16, are 1.5e-8 and 6e-6.
    assert 1e-9 <= sweep.forward.best_epsilon <= 1e-7
    assert 1e-6 <= sweep.central.best_epsilon <= 1e-4
    assert sweep.central.best_error < 1e-9 < sweep.forward.best_error < 1e-6
    assert sweep.central.best_error == min(sweep.central_errors)
    # Below its best epsilon the error grows like 1 / epsilon: five decades down, four to six decades up.
    for errors in (sweep.forward_errors, sweep.central_errors):
        at_1e_8, at_1e_13 = errors[sweep.epsilons.index(1e-8)], errors[-1]
        assert 1e4 < at_1e_13 / at_1e_8 < 1e6


def test_the_relative_error_is_that_of_the_values_that_are_printed():
    model, inputs, y_true = draw([5, 4, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    for check in (check_against_autograd, check_gradients):
        wrong = [gradient.clone() for gradient in gradients]
        wrong[0][1, 2] *= 1.01
        assert "relative error 9.9e-03" in complaint(check, model, inputs, y_true, gradients=wrong)


@pytest.mark.parametrize("check", [check_against_autograd, check_gradients])
def test_correct_float32_and_saturated_networks_pass(check):
    check(*draw([30, 20, 10], dtype=torch.float32))
    # tanh at z = 9: its derivative 1 - tanh(9)^2 = 6e-8 has lost half its digits.
    check(scalar_network("tanh", weight=9.0, bias=0.0), one(1.0), one(0.5))


@pytest.mark.parametrize("check", [check_against_autograd, check_gradients])
def test_gradients_that_are_all_zero_pass_and_must_be_zero(check):
    model = scalar_network("relu", weight=-1.0, bias=0.0)
    assert check(model, one(1.0), one(1.0)).parameters_checked == 2
    gradients = [one(1e-3), torch.zeros(1, dtype=float64)]
    assert "layer 1, weight[0, 0]" in complaint(check, model, one(1.0), one(1.0), gradients=gradients)


@pytest.mark.parametrize("size", [1e-1, 1e-3, 1e-5])
def test_an_error_of_all_gradients_is_not_forgiven_by_smaller_epsilons(size):
    for activation in ("tanh", "sigmoid", "gelu", "softplus"):
        model, inputs, y_true = draw([5, 4, 3], activation)
        gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
        for gradient in gradients:
            gradient.mul_(1 + size)
        assert "layer 1, weight" in complaint(check_gradients, model, inputs, y_true, gradients=gradients)


def test_a_verdict_for_each_layer_says_where_the_error_is():
    model, inputs, y_true = draw([5, 4, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[2].mul_(2)
    lines = complaint(check_against_autograd, model, inputs, y_true, gradients=gradients).splitlines()
    assert [line.partition(";")[0].strip() for line in lines[1:]] == [
        "layer 1, weight: 20 checked, all right",
        "layer 1, bias: 4 checked, all right",
        "layer 2, weight: 12 of 12 checked are WRONG",
        "layer 2, bias: 3 checked, all right",
    ]
    assert str(check_against_autograd(model, inputs, y_true)).count("all right") == 4


def test_parameters_too_large_for_epsilon_to_change_are_not_measurable():
    model = scalar_network("tanh", weight=1e30, bias=0.0)
    check = check_gradients(model, one(1.0), one(0.0))
    # The bias is measurable: the unit is saturated, and its difference is exactly 0, like its gradient.
    assert (check.unmeasurable, check.parameters_checked) == (1, 1)
    assert "1 not measurable" in str(check)


def test_a_derivative_may_return_a_number():
    model = scalar_network("identity", weight=0.5, bias=0.0)
    model.df[1] = lambda z: 1.0
    assert check_gradients(model, one(3.0), one(0.0)).parameters_checked == 2
    assert check_against_autograd(model, one(3.0), one(0.0)).parameters_checked == 2


def test_a_missing_gradient_is_named():
    model, inputs, y_true = draw([5, 4, 3])
    gradients = gradients_by_hand(model, inputs, y_true, "squared_error")
    gradients[1] = None
    for check in (check_against_autograd, check_gradients):
        assert complaint(check, model, inputs, y_true, gradients=gradients) == (
            "layer 1, bias: the gradient is None; expected a tensor of the shape [4]"
        )


def test_a_sweep_leaves_parameters_at_kinks_out():
    sweep = sweep_epsilon(*draw([5, 4, 3], "leaky_relu"))
    assert sweep.central.best_error < 1e-6
    assert all(map(math.isfinite, sweep.forward_errors + sweep.central_errors))


def test_a_sweep_in_which_nothing_is_smooth_is_refused():
    with pytest.raises(ValueError, match="expected a model with a smooth activation, such as tanh"):
        sweep_epsilon(scalar_network("relu", weight=1.0, bias=-2.0), one(2.0), one(1.0))


def test_a_forward_pass_that_the_attributes_do_not_describe_is_refused():
    class Doubled(MyNet):
        def forward(self, x):
            return super().forward(2 * x)

    with pytest.raises(
        ValueError, match="expected a model whose forward pass is what its attributes fc and f say"
    ):
        check_gradients(
            Doubled([2, 2]).double(), torch.ones(1, 2, dtype=float64), torch.ones(1, 2, dtype=float64)
        )


@settings(max_examples=60, deadline=None, derandomize=True)
@given(networks())
def test_correct_networks_are_never_accused(case):
    check_against_autograd(*case)
    check_gradients(*case, n_samples_per_layer=2)


@pytest.mark.long
@settings(max_examples=2000, deadline=None)
@given(networks())
def test_correct_networks_are_never_accused_at_length(case):
    check_against_autograd(*case)
    check_gradients(*case, n_samples_per_layer=2)
