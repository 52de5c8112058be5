"""Plausible mistakes, planted one at a time into the source: the gradient checks must catch every one."""

import inspect
import types

import pytest
import torch

from handgrad import activations, backprop, buffers
from handgrad.errors import GradientError
from handgrad.gradcheck import check_against_autograd, check_gradients
from handgrad.networks import MyNet

BACKPROPAGATION = {
    "weight gradient without its transpose": ("dL_dz.T @ a[layer - 1]", "dL_dz @ a[layer - 1]"),
    "weight gradient transposed": ("dL_dz.T @ a[layer - 1]", "a[layer - 1].T @ dL_dz"),
    "activation of the layer itself instead of the one below": (
        "dL_dz.T @ a[layer - 1]",
        "dL_dz.T @ model.a[layer]",
    ),
    "pre-activation instead of activation": (
        "model.a[layer].reshape",
        "model.z.get(layer, model.a[0]).reshape",
    ),
    "stale activations of the last batch": ("model.a[layer].reshape", "model.a[layer].roll(1, 0).reshape"),
    "weight gradient averaged over the batch": (
        "dL_dz.T @ a[layer - 1]",
        "dL_dz.T @ a[layer - 1] / len(y_pred)",
    ),
    "weight decay in the gradient": ("dL_dz.T @ a[layer - 1]", "dL_dz.T @ a[layer - 1] + 0.01 * weight"),
    "local gradient through the transposed weights": ("(dL_dz @ weight)", "(dL_dz @ weight.T)"),
    "weights of the layer below": (
        "(dL_dz @ weight)",
        "(dL_dz @ model.fc[str(layer - 1)].weight)",
    ),
    "activation derivative of the output layer missing": (" * model.df[model.L](z[model.L])", ""),
    "activation derivative of the hidden layers missing": (" * model.df[layer - 1](z[layer - 1])", ""),
    "activation derivative twice": (
        " * model.df[layer - 1](z[layer - 1])",
        " * model.df[layer - 1](z[layer - 1]) ** 2",
    ),
    "activation instead of its derivative": (
        "model.df[layer - 1](z[layer - 1])",
        "model.f[layer - 1](z[layer - 1])",
    ),
    "derivative at a instead of z": (
        "model.df[layer - 1](z[layer - 1])",
        "model.df[layer - 1](a[layer - 1])",
    ),
    "output derivative at a instead of z": ("(z[model.L])", "(y_pred)"),
    "derivative one layer off": ("model.df[layer - 1](z[layer - 1])", "model.df[layer](z[layer])"),
    "bias gradient of the first sample only": ("dL_dz.sum(dim=0)", "dL_dz[0]"),
    "bias gradient averaged over the batch": ("dL_dz.sum(dim=0)", "dL_dz.mean(dim=0)"),
    "bias gradient summed over the units": ("dL_dz.sum(dim=0)", "dL_dz.sum(dim=1)"),
    "bias forgotten": ("dL_dz.sum(dim=0)", "torch.zeros_like(dL_dz[0])"),
    "first layer forgotten": ("range(model.L, 0, -1)", "range(model.L, 1, -1)"),
    "output layer forgotten": ("range(model.L, 0, -1)", "range(model.L - 1, 0, -1)"),
    "squared error with the wrong sign": ("return 2 * (y_pred - y_true)", "return 2 * (y_true - y_pred)"),
    "squared error without its factor": ("return 2 * (y_pred - y_true)", "return y_pred - y_true"),
    "squared error averaged": ("return 2 * (y_pred - y_true)", "return 2 * (y_pred - y_true) / len(y_pred)"),
    "mean over the samples only": ("(2 / y_pred.numel())", "(2 / len(y_pred))"),
    "sum for mean": ("(2 / y_pred.numel())", "2"),
    "cross entropy summed": ("-1 / len(y_pred)", "-1.0"),
    "cross entropy with the wrong sign": ("-1 / len(y_pred)", "1 / len(y_pred)"),
    "softmax over the samples": ("log_softmax(y_pred, dim=1)", "log_softmax(y_pred, dim=0)"),
    "gradient of the log-probabilities taken for that of the logits": (
        "return torch._log_softmax_backward_data(gradient, log_probabilities, 1, y_pred.dtype)",
        "return gradient",
    ),
}

BUFFERS = {
    "activation derivative missing": ("self.activation.multiply(self.dL_dz, self.z, self.a)", "pass"),
    "inputs of the first batch kept": (
        "        self.below = below\n",
        "        self.below = getattr(self, 'below', below)\n",
    ),
    "bias averaged": ("torch.sum(self.dL_dz, 0,", "torch.mean(self.dL_dz, 0,"),
    "local gradient through the transposed weights": (
        "mm(layer.dL_dz, layer.weight,",
        "mm(layer.dL_dz, layer.weight_T,",
    ),
    "first layer forgotten": ("        batch.layers[0].backward()\n", ""),
    "gradient of the last batch left in place": ("gradient.zero_().scatter_", "gradient.scatter_"),
    "share of the largest batch": ("-1 / samples)", "-1 / 8)"),
    "squared error without its factor": ("batch.dL_dy.mul_(2),", "batch.dL_dy,"),
    "a in the place of a z that is needed": ("torch.empty_like(z) if activation.needs_z else z", "z"),
    "result taken for the pre-activation": (
        "gelu_backward.grad_input(dL_da, z,",
        "gelu_backward.grad_input(dL_da, a,",
    ),
}

DERIVATIVES = {
    "tanh without its square": ("1 - torch.tanh(z) ** 2", "1 - torch.tanh(z)"),
    "relu active on the wrong side": ("return (z > 0).to(z.dtype)", "return (z < 0).to(z.dtype)"),
    "leaky relu without its slope": ("torch.full_like(z, LEAKY_SLOPE)", "torch.zeros_like(z)"),
    "sigmoid without the second factor": ("torch.sigmoid(z) * torch.sigmoid(-z)", "torch.sigmoid(z)"),
    "softplus by tanh": (
        "    return torch.sigmoid(z)\n\n\ndef gelu",
        "    return torch.tanh(z)\n\n\ndef gelu",
    ),
    "gelu without the product rule": (" + z * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)", ""),
    "gelu with the density of another deviation": ("torch.exp(-(z**2) / 2)", "torch.exp(-(z**2))"),
}


def mutated(module, old="", new=""):
    """A copy of `module` whose source has `new` in the place of `old`, which it must have once."""
    source = inspect.getsource(module)
    if old:
        assert source.count(old) == 1
        source = source.replace(old, new)
    copy = types.ModuleType(module.__name__)
    exec(compile(source, module.__file__, "exec"), copy.__dict__)
    return copy


def batches():
    """Square networks with as many samples as units: no mistake is caught by its shape alone.

    Each with two batches: the gradients to check are those of the second.
    """
    torch.manual_seed(1)
    for activation in activations.ACTIVATIONS:
        for loss in backprop.LOSSES:
            last = "identity" if loss == "cross_entropy" else activation
            model = MyNet([4, 4, 4, 4], [activation, "sigmoid", last]).double()
            first, second = 2 * torch.randn(2, 4, 4, dtype=torch.float64)
            if loss == "cross_entropy":
                targets = torch.randint(4, (2, 4))
            else:
                targets = torch.randn(2, 4, 4, dtype=torch.float64)
            yield model, (first, targets[0]), (second, targets[1]), loss


def gradients_of_backpropagation(module, model, first, second, loss):
    for inputs, y_true in (first, second):
        with torch.no_grad():
            y_pred = model(inputs)
        if inputs is first[0]:
            backprop.backpropagation(model, y_true, y_pred, loss)
        else:
            module.backpropagation(model, y_true, y_pred, loss)
    return [gradient for layer in (1, 2, 3) for gradient in (model.dL_dw[layer], model.dL_db[layer])]


def gradients_of_buffers(module, model, first, second, loss):
    memory = module.Buffers(model, 8)
    for inputs, y_true in (first, second):
        memory.forward(inputs)
        memory.backward(y_true, loss)
    return memory.gradients


def gradients_with_derivatives(module, model, first, second, loss):
    names = {derivative: name for name, (_, derivative) in activations.ACTIVATIONS.items()}
    model.df = {layer: module.ACTIVATIONS[names[df]].df for layer, df in model.df.items()}
    return gradients_of_backpropagation(backprop, model, first, second, loss)


def is_caught(check, gradients_of, module):
    for model, first, second, loss in batches():
        gradients = gradients_of(module, model, first, second, loss)
        try:
            check(model, *second, loss, gradients)
        except GradientError:
            return True
    return False


CHECKS = pytest.mark.parametrize("check", [check_gradients, check_against_autograd])


@CHECKS
@pytest.mark.parametrize(
    ("gradients_of", "module"),
    [
        (gradients_of_backpropagation, backprop),
        (gradients_of_buffers, buffers),
        (gradients_with_derivatives, activations),
    ],
)
def test_the_source_without_a_mistake_passes(check, gradients_of, module):
    assert not is_caught(check, gradients_of, mutated(module))


@CHECKS
@pytest.mark.parametrize("mistake", BACKPROPAGATION)
def test_a_mistake_in_backpropagation_is_caught(mistake, check):
    assert is_caught(check, gradients_of_backpropagation, mutated(backprop, *BACKPROPAGATION[mistake]))


@CHECKS
@pytest.mark.parametrize("mistake", BUFFERS)
def test_a_mistake_in_the_buffers_is_caught(mistake, check):
    assert is_caught(check, gradients_of_buffers, mutated(buffers, *BUFFERS[mistake]))


@CHECKS
@pytest.mark.parametrize("mistake", DERIVATIVES)
def test_a_mistake_in_a_derivative_is_caught(mistake, check):
    assert is_caught(check, gradients_with_derivatives, mutated(activations, *DERIVATIVES[mistake]))
