"""Correct implementations in unusual forms, which must not be accused, and gradients that are not stored."""

import pytest
from helpers.submissions import BACKPROPAGATION

import handgrad
from handgrad.checking.checks import check_file, check_update
from handgrad.checking.results import BY_HAND

LISTS = """
import torch
from torch import nn

class MyNet(nn.Module):
    def __init__(self, n_l):
        super().__init__()
        self.L = len(n_l) - 1
        self.f = [None] + [torch.tanh] * self.L
        self.df = [None] + [lambda z: 1 - torch.tanh(z) ** 2] * self.L
        self.fc = nn.ModuleDict({str(l): nn.Linear(n_l[l - 1], n_l[l]) for l in range(1, self.L + 1)})
        self.z, self.a, self.dL_dw, self.dL_db = ([None] * (self.L + 1) for _ in range(4))

    def forward(self, x):
        self.a[0] = x.flatten(1)
        for l in range(1, self.L + 1):
            self.z[l] = self.fc[str(l)](self.a[l - 1])
            self.a[l] = self.f[l](self.z[l])
        return self.a[-1]
"""
# The derivative of the network's own activation, written out.
SIGMOIDS = (
    LISTS.replace("torch.tanh]", "torch.sigmoid]").replace(
        "1 - torch.tanh(z) ** 2", "torch.sigmoid(z) * (1 - torch.sigmoid(z))"
    )
    + """
def backpropagation(model, y_true, y_pred):
    d = 2 * (y_pred - y_true) * y_pred * (1 - y_pred)
    for l in range(model.L, 0, -1):
        model.dL_dw[l], model.dL_db[l] = d.T @ model.a[l - 1], d.sum(0)
        if l > 1:
            d = d @ model.fc[str(l)].weight * model.a[l - 1] * (1 - model.a[l - 1])
"""
)
OBJECT = """
class Backpropagation:
    def __call__(self, model, y_true, y_pred):
        d = torch.mul(2 * (y_pred - y_true), model.df[model.L](model.z[model.L]))
        for l in range(model.L, 0, -1):
            model.dL_dw[l] = torch.einsum("bo,bi->oi", d, model.a[l - 1])
            model.dL_db[l] = torch.einsum("bo->o", d)
            if l > 1:
                slope = model.df[l - 1](model.z[l - 1])
                d = torch.einsum("bo,oi,bi->bi", d, model.fc[str(l)].weight, slope)

backpropagation = Backpropagation()
"""
RETURNED = BACKPROPAGATION.replace("model.dL_dw[l], model.dL_db[l] =", "dw, db =") + "    return dw, db\n"
GLOBAL_LOADER = """
train_loader = make_loader()

def train_manual_update(epoch_count, learning_rate, model, loss_fn):
    for _ in range(epoch_count):
        for x, y in train_loader:
            model.zero_grad()
            loss_fn(model(x), y).backward()
            with torch.no_grad():
                for p in model.parameters():
                    p -= learning_rate * p.grad
"""


def checked(tmp_path, text):
    path = tmp_path / "ada.py"
    path.write_text("import torch\n" + text)
    return check_file(path)


@pytest.mark.slow
def test_layers_in_lists_are_accepted(tmp_path):
    result = checked(tmp_path, LISTS + BACKPROPAGATION)
    assert result.passed, str(result)


@pytest.mark.slow
def test_the_derivative_of_the_files_own_activation_may_be_written_out(tmp_path):
    result = checked(tmp_path, SIGMOIDS)
    assert result.passed, str(result)
    assert "right with the MyNet of this file, not with other activations" in str(result)


@pytest.mark.slow
def test_an_object_that_is_called_is_accepted(tmp_path):
    result = checked(tmp_path, OBJECT)
    assert result.passed, str(result)
    assert "not with other activations" not in str(result)


@pytest.mark.slow
def test_gradients_that_are_returned_instead_of_stored_are_said_to_be_missing(tmp_path):
    result = checked(tmp_path, RETURNED)
    assert not result.passed
    assert "model.dL_dw and model.dL_db are never set" in str(result)
    assert "the function returns a tuple" in str(result)


@pytest.mark.slow
def test_a_loader_that_skipped_code_would_have_made_is_supplied(tmp_path):
    result = checked(tmp_path, GLOBAL_LOADER)
    assert "stops with an error" not in str(result)
    assert "steps" in str(result)


SHORTCUTS = """
from torch.autograd import grad

def backpropagation(model, y_true, y_pred):
    layers = [model.fc[str(l)] for l in range(1, model.L + 1)]
    for l, layer in enumerate(layers, 1):
        loss = ((y_pred - y_true) ** 2).sum()
        model.dL_dw[l], model.dL_db[l] = grad(loss, [layer.weight, layer.bias], retain_graph=True)

def train_manual_update(n_epochs, lr, model, loss_fn, train_loader):
    optimizer = torch.optim.SGD(model.parameters(), lr=lr)
    for _ in range(n_epochs):
        for x, y in train_loader:
            optimizer.zero_grad()
            loss_fn(model(x), y).backward()
            optimizer.step()
"""


@pytest.mark.slow
def test_what_pytorch_does_instead_of_the_function_is_not_by_hand(tmp_path):
    result = checked(tmp_path, SHORTCUTS)
    notes = {f.part: f.summary for f in result.findings if f.check == BY_HAND}
    assert notes == {
        "backpropagation": "calls autograd (backward or torch.autograd.grad): "
        "agreeing with it proves nothing then",
        "train_manual_update": "calls an optimizer of torch.optim: "
        "agreeing with torch.optim.SGD proves nothing then",
    }
    assert "train_manual_update: correct, but not by hand" in str(result)


@pytest.mark.slow
def test_training_functions_are_timed_beside_pytorchs_loop_and_handgrads():
    for function in (handgrad.train_manual_update, handgrad.train):
        (speed,) = (f for f in check_update(function).findings if f.check == "speed")
        assert list(speed.data["milliseconds"]) == ["yours", "torch.optim.SGD", "handgrad"]
        assert "times as long as torch.optim.SGD in epochs of 4 batches" in speed.summary
