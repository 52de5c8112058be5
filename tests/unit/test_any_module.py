"""train_manual_update is bit-identical to a plain loop with torch.optim.SGD, for any module."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional

from handgrad.data.batches import Batches
from handgrad.training import train_manual_update

WIDTH, CLASSES = 6, 3
BLOCKS = ("linear", "transposed", "strided", "shared", "unused", "frozen", "norm", "reshaped", "late")


class Block(nn.Module):
    """A layer from WIDTH to WIDTH values, of one of the kinds that are hard for an update by hand."""

    def __init__(self, kind, shared):
        super().__init__()
        self.kind = kind
        self.linear = shared if kind == "shared" else nn.Linear(WIDTH, WIDTH)
        self.calls = 0
        if kind == "transposed":
            self.linear.weight = nn.Parameter(torch.randn(WIDTH, WIDTH).T)
        elif kind == "strided":
            self.linear.weight = nn.Parameter(torch.randn(WIDTH, 2 * WIDTH)[:, ::2])
        elif kind == "unused":
            self.other = nn.Linear(WIDTH, WIDTH)
        elif kind == "frozen":
            self.linear.weight.requires_grad_(False)
        elif kind == "norm":
            self.norm = nn.BatchNorm1d(WIDTH)
        elif kind == "reshaped":
            # In autograd, both gradients share memory.
            self.one = nn.Parameter(torch.randn(2, 3))
            self.other = nn.Parameter(torch.randn(3, 2))
        elif kind == "late":
            self.other = nn.Linear(WIDTH, WIDTH)

    def forward(self, x):
        self.calls += 1
        z = self.linear(x)
        if self.kind == "norm":
            z = self.norm(z)
        elif self.kind == "reshaped":
            z = z + (self.one.view(-1) + self.other.view(-1))
        elif self.kind == "late" and self.calls % 3 == 0:  # a gradient in some steps only
            z = z + self.other(x)
        return torch.tanh(z)


def make(kinds, dtype, seed):
    """A network created in its dtype: conversion and deepcopy would change the layout of strided weights."""
    torch.manual_seed(seed)
    torch.set_default_dtype(dtype)
    try:
        shared = nn.Linear(WIDTH, WIDTH)
        return nn.Sequential(*(Block(kind, shared) for kind in kinds), nn.Linear(WIDTH, CLASSES))
    finally:
        torch.set_default_dtype(torch.float32)


@st.composite
def trainings(draw):
    weight_decay = draw(st.sampled_from([0.0, 0.01]))
    momentum = draw(st.sampled_from([0.0, 0.9]))
    nesterov = momentum > 0 and draw(st.booleans())
    return {
        "kinds": draw(st.lists(st.sampled_from(BLOCKS), max_size=4)),
        "dtype": draw(st.sampled_from([torch.float64, torch.float32])),
        "batch_size": draw(st.integers(2, 9)),
        "seed": draw(st.integers(0, 10**6)),
        "loss_fn": draw(st.sampled_from([functional.cross_entropy, functional.mse_loss])),
        "sgd": {
            "lr": draw(st.sampled_from([0.05, 1.0, 1e20])),
            "weight_decay": weight_decay,
            "momentum": momentum,
            "dampening": 0.0 if nesterov else draw(st.sampled_from([0.0, 0.3])),
            "nesterov": nesterov,
        },
    }


def check(training):
    model, plain = (make(training["kinds"], training["dtype"], training["seed"]) for _ in range(2))
    # No last batch of one sample, which BatchNorm rejects.
    samples = 3 * training["batch_size"] - 1 if training["batch_size"] > 2 else 6
    inputs = torch.randn(samples, WIDTH, dtype=training["dtype"])
    labels = torch.randint(CLASSES, (samples,))
    loss_fn = training["loss_fn"]
    if loss_fn is functional.mse_loss:
        labels = functional.one_hot(labels, CLASSES).to(training["dtype"])
    batches = Batches(inputs, labels, training["batch_size"])

    train_manual_update(2, model=model, loss_fn=loss_fn, train_loader=batches, **training["sgd"])
    optimizer = torch.optim.SGD(plain.parameters(), **training["sgd"])
    for _ in range(2):
        for x, y in batches:
            optimizer.zero_grad()
            loss_fn(plain(x), y).backward()
            optimizer.step()
    for (name, by_hand), expected in zip(
        model.state_dict().items(), plain.state_dict().values(), strict=True
    ):
        assert by_hand.numpy().tobytes() == expected.numpy().tobytes(), name


@settings(max_examples=40, deadline=None, derandomize=True)
@given(trainings())
def test_any_module_has_the_bits_of_torch_sgd(training):
    check(training)


@pytest.mark.long
@settings(max_examples=3000, deadline=None)
@given(trainings())
def test_any_module_has_the_bits_of_torch_sgd_at_length(training):
    check(training)


@pytest.mark.parametrize("kind", BLOCKS)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_each_kind_of_module(kind, momentum):
    check(
        {
            "kinds": [kind, kind],
            "dtype": torch.float64,
            "batch_size": 4,
            "seed": 1,
            "loss_fn": functional.cross_entropy,
            "sgd": {"lr": 0.1, "weight_decay": 0.01, "momentum": momentum, "nesterov": momentum > 0},
        }
    )


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_convolutions_in_channels_last(momentum):
    def make_model():
        torch.manual_seed(0)
        layers = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 2))
        return layers.to(memory_format=torch.channels_last)

    inputs = torch.randn(8, 3, 6, 6, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1] * 4)
    model, plain = make_model(), make_model()
    loss_fn = nn.CrossEntropyLoss()
    train_manual_update(3, 0.1, model, loss_fn, [(inputs, labels)], momentum=momentum, weight_decay=0.01)
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1, momentum=momentum, weight_decay=0.01)
    for _ in range(3):
        optimizer.zero_grad()
        loss_fn(plain(inputs), labels).backward()
        optimizer.step()
    assert all(map(torch.equal, model.parameters(), plain.parameters()))


def test_sparse_gradients_of_an_embedding():
    def make_model():
        torch.manual_seed(0)
        return nn.Sequential(nn.Embedding(10, 4, sparse=True), nn.Flatten(), nn.Linear(12, 2))

    inputs = torch.randint(10, (8, 3), generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 1] * 4)
    model, plain = make_model(), make_model()
    loss_fn = nn.CrossEntropyLoss()
    train_manual_update(3, 0.1, model, loss_fn, [(inputs, labels)])
    optimizer = torch.optim.SGD(plain.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        loss_fn(plain(inputs), labels).backward()
        optimizer.step()
    assert all(map(torch.equal, model.parameters(), plain.parameters()))
