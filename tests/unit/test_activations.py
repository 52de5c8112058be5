import math

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from handgrad.activations import ACTIVATIONS, Activation, activation_of, exp_minus_abs

float64 = torch.float64

# Values of z, f(z), f'(z), from tables of tanh, exp, log and the normal distribution.
VALUES = [
    ("tanh", 0.5, 0.46211715726000976, 0.7864477329659274),
    ("relu", 1.5, 1.5, 1.0),
    ("relu", -1.5, 0.0, 0.0),
    ("relu", 0.0, 0.0, 0.0),
    ("leaky_relu", 2.0, 2.0, 1.0),
    ("leaky_relu", -2.0, -0.02, 0.01),
    ("sigmoid", 0.0, 0.5, 0.25),
    ("sigmoid", 2.0, 0.8807970779778824, 0.10499358540350652),
    ("identity", -3.0, -3.0, 1.0),
    ("softplus", 0.0, math.log(2), 0.5),
    ("softplus", math.log(3), math.log(4), 0.75),
    ("gelu", 0.0, 0.0, 0.5),
    ("gelu", 1.0, 0.8413447460685429, 1.0833154705876864),
    ("gelu", -1.0, -0.15865525393145707, -0.08331547058768634),
]


@pytest.mark.parametrize(("name", "z", "value", "derivative"), VALUES)
def test_activations_and_derivatives_at_known_points(name, z, value, derivative):
    f, df = ACTIVATIONS[name].f, ACTIVATIONS[name].df
    point = torch.tensor([z], dtype=float64)
    assert f(point).item() == pytest.approx(value, rel=1e-14, abs=1e-16)
    assert df(point).expand(1).item() == pytest.approx(derivative, rel=1e-14, abs=1e-16)


@pytest.mark.parametrize(
    ("name", "at_minus_1000", "at_1000"),
    [
        ("tanh", (-1, 0), (1, 0)),
        ("relu", (0, 0), (1000, 1)),
        ("leaky_relu", (-10, 0.01), (1000, 1)),
        ("sigmoid", (0, 0), (1, 0)),
        ("identity", (-1000, 1), (1000, 1)),
        ("softplus", (0, 0), (1000, 1)),
        ("gelu", (0, 0), (1000, 1)),
    ],
)
def test_activations_and_derivatives_far_out(name, at_minus_1000, at_1000):
    f, df = ACTIVATIONS[name].f, ACTIVATIONS[name].df
    z = torch.tensor([-1000.0, 1000.0], dtype=float64)
    assert list(zip(f(z).tolist(), df(z).expand(2).tolist(), strict=True)) == [at_minus_1000, at_1000]


def test_softplus_keeps_its_last_digits_above_twenty():
    f = ACTIVATIONS["softplus"].f
    # log(1 + exp(25)) = 25 + log1p(exp(-25)), which torch's default threshold of 20 rounds to 25
    assert f(torch.tensor([25.0], dtype=float64)).item() == 25.000000000013888


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_are_those_of_the_functions(name, dtype):
    f, df = ACTIVATIONS[name].f, ACTIVATIONS[name].df
    z = torch.linspace(-6, 6, 101, dtype=dtype, requires_grad=True)
    f(z).sum().backward()
    assert df(z).dtype == dtype
    torch.testing.assert_close(df(z).detach().expand(101), z.grad, rtol=0, atol=10 * torch.finfo(dtype).eps)


class Recorder(TorchDispatchMode):
    """Records the names of the operations that run, such as aten.gelu_backward.grad_input."""

    def __init__(self):
        super().__init__()
        self.operations = []

    def __torch_dispatch__(self, operation, types, arguments=(), options=None):
        self.operations.append(str(operation))
        return operation(*arguments, **(options or {}))


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_no_kernel_of_autograd_computes_a_derivative_but_the_one_that_is_named(name):
    activation = ACTIVATIONS[name]
    z = torch.randn(4, 3)
    a = activation.f(z)
    with Recorder() as recorder:
        activation.df(z)
        activation.backward(torch.randn(4, 3), z, a)
    kernels = {operation.split(".")[1] for operation in recorder.operations if "backward" in operation}
    assert kernels == ({"gelu_backward"} if name == "gelu" else set())
    assert activation.kernel == ("gelu_backward" if name == "gelu" else "")


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, float64])
def test_the_step_of_backpropagation_has_the_bits_of_autograd(name, dtype):
    torch.manual_seed(1)
    activation = ACTIVATIONS[name]
    for samples, units in ((1, 1), (1, 7), (5, 1), (33, 17), (256, 200)):
        z = (4 * torch.randn(samples, units, dtype=dtype)).requires_grad_()
        dL_da = torch.randn(samples, units, dtype=dtype)
        a = activation.f(z)
        (expected,) = torch.autograd.grad(a, z, dL_da)
        z, a = z.detach(), a.detach()
        for scratch in (None, torch.full_like(z, math.nan)):
            assert activation.backward(dL_da.clone(), z, a, scratch).equal(expected)
        if activation.in_place:
            a = activation.in_place(z.clone())
            assert activation.backward(dL_da.clone(), a, a).equal(expected)


@pytest.mark.parametrize("dtype", [torch.float32, float64])
def test_relu_is_like_autograd_where_gradients_or_units_are_not_finite(dtype):
    inf, nan = math.inf, math.nan
    z = torch.tensor([-1.0, 0.0, -0.0, 2.0, -inf, inf, nan, 2.0], dtype=dtype)
    dL_da = torch.tensor([inf, nan, -inf, inf, inf, 1.0, nan, -0.0], dtype=dtype)
    dL_dz = ACTIVATIONS["relu"].backward(dL_da, z, torch.relu(z))
    assert repr(dL_dz.tolist()) == "[0.0, 0.0, 0.0, inf, 0.0, 1.0, nan, -0.0]"


def test_an_activation_needs_no_more_than_a_function_and_its_derivative():
    z = torch.randn(3, 4, dtype=float64)
    dL_dz = Activation(torch.sin, torch.cos).backward(torch.full_like(z, 2.0), z, torch.sin(z))
    assert dL_dz.equal(2 * torch.cos(z))
    assert activation_of(torch.sin, torch.cos) == Activation(torch.sin, torch.cos)


def test_only_the_pair_of_function_and_derivative_is_recognised():
    tanh, relu = ACTIVATIONS["tanh"], ACTIVATIONS["relu"]
    assert activation_of(tanh.f, tanh.df) is tanh
    assert activation_of(tanh.f, relu.df) == Activation(tanh.f, relu.df)


def test_the_exponential_is_accurate_to_two_units_in_the_last_place():
    x = torch.linspace(-80, 80, 10_001, dtype=float64)
    expected = torch.tensor([math.exp(-abs(value)) for value in x.tolist()], dtype=float64)
    assert ((exp_minus_abs(x) - expected).abs() <= 2 * 2**-53 * 2 * expected).all()
