import copy
import pickle

import pytest
import torch
from torch import nn

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
