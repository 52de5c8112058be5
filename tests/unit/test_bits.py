"""Gradients and trainings by hand are bit-identical to autograd, for any network, batch and memory layout."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from handgrad.activations import ACTIVATIONS
from handgrad.backprop import backpropagation
from handgrad.buffers import Buffers
from handgrad.losses import LOSSES
from handgrad.networks import MyNet
from handgrad.training import train, train_manual_backprop, train_manual_update

LOSS_FUNCTIONS = {
    "squared_error": nn.MSELoss(reduction="sum"),
    "mse": nn.MSELoss(),
    "cross_entropy": nn.CrossEntropyLoss(),
}
INPUT_LAYOUTS = {
    "contiguous": lambda x: x,
    "sliced from a larger batch": lambda x: torch.cat([x[:1], x])[1:],
    "by columns": lambda x: x.T.contiguous().T,
    "every other column": lambda x: x.repeat_interleave(2, dim=1)[:, ::2],
}
BATCHES = st.one_of(st.integers(1, 4), st.integers(5, 70), st.sampled_from([127, 133, 256]))


@st.composite
def cases(draw):
    """A model, batches of inputs and targets, and the loss: everything except the number of threads."""
    torch.manual_seed(draw(st.integers(0, 2**32 - 1)))
    dtype = draw(st.sampled_from([torch.float32, torch.float64]))
    width = st.one_of(st.integers(1, 5), st.integers(6, 40), st.sampled_from([64, 100, 128, 512]))
    n_l = draw(st.lists(width, min_size=2, max_size=5))
    names = draw(st.lists(st.sampled_from([*ACTIVATIONS]), min_size=len(n_l) - 1, max_size=len(n_l) - 1))
    model = MyNet(n_l, names).to(dtype)
    if draw(st.booleans()):  # weights in column-major order
        for layer in model.fc.values():
            layer.weight = nn.Parameter(layer.weight.detach().T.contiguous().T)
    loss = draw(st.sampled_from([*LOSSES]))
    scale = draw(st.sampled_from([0.01, 1.0, 30.0]))
    layout = INPUT_LAYOUTS[draw(st.sampled_from([*INPUT_LAYOUTS]))]
    batches = []
    for samples in draw(st.lists(BATCHES, min_size=1, max_size=3)):
        inputs = layout(scale * torch.randn(samples, n_l[0], dtype=dtype))
        if loss == "cross_entropy":
            batches.append((inputs, torch.randint(n_l[-1], (samples,))))
        else:
            batches.append((inputs, torch.randn(samples, n_l[-1], dtype=dtype)))
    return model, batches, loss


def same(tensors, others):
    """Whether the tensors are equal, with NaN in the same places."""
    return all(
        bool(((one == other) | (one.isnan() & other.isnan())).all())
        for one, other in zip(tensors, others, strict=True)
    )


def check_gradients_have_autograds_bits(case):
    model, batches, loss = case
    buffers = Buffers(model, max(len(inputs) for inputs, _ in batches))
    for inputs, y_true in batches:
        y_pred = model(inputs)
        value = LOSS_FUNCTIONS[loss](y_pred, y_true)
        expected = torch.autograd.grad(value, list(model.parameters()))
        backpropagation(model, y_true, y_pred, loss)
        plain = [part for layer in model.f for part in (model.dL_dw[layer], model.dL_db[layer])]
        assert same(plain, expected)
        assert same([buffers.forward(inputs)], [y_pred.detach()])
        assert same([buffers.backward(y_true, loss)], [value.detach()])
        assert same(buffers.gradients, expected)


def check_trainings_have_the_same_bits(case, lr, weight_decay, momentum, kind):
    model, batches, loss = case
    options = {"weight_decay": weight_decay, "momentum": momentum}
    if momentum:
        options |= {"dampened": {"dampening": 0.3}, "nesterov": {"nesterov": True}}.get(kind, {})
    loss_fn = LOSS_FUNCTIONS[loss]
    models = [copy.deepcopy(model) for _ in range(3)]
    optimizer = torch.optim.SGD(models[0].parameters(), lr=lr, **options)
    histories = [
        train(4, optimizer, models[0], loss_fn, batches),
        train_manual_update(4, lr, models[1], loss_fn, batches, **options),
        train_manual_backprop(4, lr, models[2], loss_fn, batches, **options),
    ]
    for other, history in zip(models[1:], histories[1:], strict=True):
        assert repr(history) == repr(histories[0])
        assert same(other.parameters(), models[0].parameters())


@pytest.fixture(params=[1, 2], ids=["1 thread", "2 threads"])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def gradients(examples):
    @settings(max_examples=examples, deadline=None, database=None)
    @given(case=cases())
    def run(case):
        check_gradients_have_autograds_bits(case)

    return run


def trainings(examples):
    @settings(max_examples=examples, deadline=None, database=None)
    @given(
        case=cases(),
        lr=st.sampled_from([0.001, 0.1, 10.0, 1e30]),
        weight_decay=st.sampled_from([0.0, 0.01]),
        momentum=st.sampled_from([0.0, 0.01, 0.9]),
        kind=st.sampled_from(["plain", "dampened", "nesterov"]),
    )
    def run(case, lr, weight_decay, momentum, kind):
        check_trainings_have_the_same_bits(case, lr, weight_decay, momentum, kind)

    return run


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_gradients_have_autograds_bits():
    gradients(60)()


@pytest.mark.slow
@pytest.mark.usefixtures("threads")
def test_trainings_by_hand_have_the_bits_of_torch_optim():
    trainings(20)()


@pytest.mark.long
@pytest.mark.usefixtures("threads")
def test_gradients_of_thousands_of_networks_have_autograds_bits():
    gradients(2000)()


@pytest.mark.long
@pytest.mark.usefixtures("threads")
def test_hundreds_of_trainings_have_the_bits_of_torch_optim():
    trainings(600)()
