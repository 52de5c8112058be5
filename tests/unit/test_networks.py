import copy
import math
import pickle

import pytest
import torch
from torch import nn

from handgrad.activations import ACTIVATIONS
from handgrad.networks import MyMLP, MyNet

float64 = torch.float64


def test_a_forward_pass_worked_by_hand_is_remembered():
    model = MyNet([2, 2, 1], ["relu", "identity"]).double()
    with torch.no_grad():
        model.fc["1"].weight.copy_(torch.tensor([[1.0, -1.0], [2.0, 1.0]]))
        model.fc["1"].bias.copy_(torch.tensor([0.0, -1.0]))
        model.fc["2"].weight.copy_(torch.tensor([[3.0, -2.0]]))
        model.fc["2"].bias.copy_(torch.tensor([1.0]))

    y_pred = model(torch.tensor([[1.0, 2.0], [2.0, 1.0]], dtype=float64))

    # (1 - 2, 2 + 2 - 1) and (2 - 1, 4 + 1 - 1); then 3 * 0 - 2 * 3 + 1 and 3 * 1 - 2 * 4 + 1
    assert model.z[1].tolist() == [[-1.0, 3.0], [1.0, 4.0]]
    assert model.a[1].tolist() == [[0.0, 3.0], [1.0, 4.0]]
    assert model.z[2].tolist() == model.a[2].tolist() == y_pred.tolist() == [[-5.0], [-4.0]]
    assert model.a[0].tolist() == [[1.0, 2.0], [2.0, 1.0]]


def test_the_attributes_of_the_course_project():
    model = MyNet([4, 3, 2])
    assert model.L == 2
    assert model.n_l == [4, 3, 2]
    assert list(model.fc) == ["1", "2"]
    assert [name for name, _ in model.named_parameters()] == [
        "fc.1.weight",
        "fc.1.bias",
        "fc.2.weight",
        "fc.2.bias",
    ]
    assert model.fc["1"].weight.shape == (3, 4)
    assert list(model.f) == list(model.df) == [1, 2]


def test_the_default_activation_is_tanh_on_every_layer_the_last_included():
    model = MyNet([3, 3, 2])
    model(torch.randn(5, 3))
    assert torch.equal(model.a[1], torch.tanh(model.z[1]))
    assert torch.equal(model.a[2], torch.tanh(model.z[2]))


def test_each_layer_can_have_its_own_activation():
    model = MyNet([2, 2, 2, 2], ["relu", "sigmoid", "identity"])
    model(torch.randn(5, 2))
    assert torch.equal(model.a[1], torch.relu(model.z[1]))
    assert torch.equal(model.a[2], torch.sigmoid(model.z[2]))
    assert torch.equal(model.a[3], model.z[3])


def test_the_classifier_has_the_experiments_layers_and_gives_logits():
    model = MyMLP()
    logits = model(torch.randn(2, 3, 32, 32))
    assert model.n_l == [3072, 512, 128, 32, 2]
    assert model.a[0].shape == (2, 3072)
    assert torch.equal(model.a[3], torch.relu(model.z[3]))
    assert torch.equal(logits, model.z[4])


def test_parameters_start_as_linear_layers_draw_them_from_the_global_seed():
    torch.manual_seed(5)
    model = MyNet([4, 3, 2])
    torch.manual_seed(5)
    layers = [nn.Linear(4, 3), nn.Linear(3, 2)]
    for key, layer in zip(["1", "2"], layers, strict=True):
        assert torch.equal(model.fc[key].weight, layer.weight)
        assert torch.equal(model.fc[key].bias, layer.bias)


def test_a_model_that_has_run_can_be_copied_and_pickled():
    model = MyNet([2, 3, 1])
    inputs = torch.randn(4, 2)
    y_pred = model(inputs)
    assert torch.equal(copy.deepcopy(model)(inputs), y_pred)
    assert torch.equal(pickle.loads(pickle.dumps(model))(inputs), y_pred)


@pytest.mark.parametrize(
    ("n_l", "activation", "message"),
    [
        ([3], "tanh", r"n_l is \[3\]; expected at least two widths"),
        ([3, 0, 2], "tanh", r"n_l is \[3, 0, 2\]; expected .* each at least 1"),
        ([3, 2], "swish", "no activation is named 'swish'; expected one of tanh, relu"),
        ([3, 3, 2], ["relu"], "1 activations for 2 layers"),
    ],
)
def test_wrong_arguments_are_refused(n_l, activation, message):
    with pytest.raises(ValueError, match=message):
        MyNet(n_l, activation)


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
    f, df = ACTIVATIONS[name]
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
    f, df = ACTIVATIONS[name]
    z = torch.tensor([-1000.0, 1000.0], dtype=float64)
    assert list(zip(f(z).tolist(), df(z).expand(2).tolist(), strict=True)) == [at_minus_1000, at_1000]


def test_softplus_keeps_its_last_digits_above_twenty():
    f, _ = ACTIVATIONS["softplus"]
    # log(1 + exp(25)) = 25 + log1p(exp(-25)), which torch's default threshold of 20 rounds to 25
    assert f(torch.tensor([25.0], dtype=float64)).item() == 25.000000000013888


@pytest.mark.parametrize("name", ACTIVATIONS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_derivatives_are_those_of_the_functions(name, dtype):
    f, df = ACTIVATIONS[name]
    z = torch.linspace(-6, 6, 101, dtype=dtype, requires_grad=True)
    f(z).sum().backward()
    assert df(z).dtype == dtype
    torch.testing.assert_close(df(z).detach().expand(101), z.grad, rtol=0, atol=10 * torch.finfo(dtype).eps)
