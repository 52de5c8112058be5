"""Mutation tests: each plausible mistake planted in the source must be caught by the gradient checks."""

import inspect
import types

import pytest
import torch

from handgrad import activations, backprop, buffers, losses
from handgrad.errors import GradientError
from handgrad.gradcheck import check_against_autograd, check_gradients
from handgrad.networks import MyNet

pytestmark = pytest.mark.slow

BACKPROPAGATION = {
    "weight gradient without its transpose": ("torch.mm(dL_dz.T, a,", "torch.mm(dL_dz, a,"),
    "weight gradient transposed": ("torch.mm(dL_dz.T, a,", "torch.mm(a.T, dL_dz,"),
    "activation of the layer itself instead of the one below": (
        "weight_gradient(dL_dz, a[layer - 1],",
        "weight_gradient(dL_dz, a[layer],",
    ),
    "pre-activation instead of activation": ("model.a.get(layer)", "model.z.get(layer, model.a[0])"),
    "stale activations of the last batch": ("model.a.get(layer)", "model.a[layer].roll(1, 0)"),
    "weight gradient averaged over the batch": (
        "weight_gradient(dL_dz, a[layer - 1], weights[layer])",
        "weight_gradient(dL_dz, a[layer - 1], weights[layer]) / len(y_pred)",
    ),
    "weight decay in the gradient": (
        "weight_gradient(dL_dz, a[layer - 1], weights[layer])",
        "weight_gradient(dL_dz, a[layer - 1], weights[layer]) + 0.01 * weights[layer]",
    ),
    "local gradient through the transposed weights": ("torch.mm(dL_dz, weight,", "torch.mm(dL_dz, weight.T,"),
    "weights of the layer below": (
        "input_gradient(dL_dz, weights[layer],",
        "input_gradient(dL_dz, weights[layer - 1],",
    ),
    "activation derivative of the output layer missing": (
        "dL_dz = activation_of(",
        "dL_dz = dL_da if layer == model.L else activation_of(",
    ),
    "activation derivative of the hidden layers missing": (
        "dL_dz = activation_of(",
        "dL_dz = dL_da if layer < model.L else activation_of(",
    ),
    "activation derivative twice": (
        "        if verbose",
        "        dL_dz *= model.df[layer](z[layer])\n        if verbose",
    ),
    "activation instead of its derivative": ("model.df[layer]", "model.f[layer]"),
    "derivative at a instead of z": ("z[layer], a[layer])", "a[layer], a[layer])"),
    "derivative from z as if it were a": ("z[layer], a[layer])", "z[layer], z[layer])"),
    "derivative one layer off": (
        "activation_of(model.f[layer], model.df[layer])",
        "activation_of(model.f[max(layer - 1, 1)], model.df[max(layer - 1, 1)])",
    ),
    "bias gradient of the first sample only": ("dL_dz.sum(0)\n", "dL_dz[0]\n"),
    "bias gradient averaged over the batch": ("dL_dz.sum(0)\n", "dL_dz.mean(dim=0)\n"),
    "bias gradient summed over the units": ("dL_dz.sum(0)\n", "dL_dz.sum(dim=1)\n"),
    "bias forgotten": ("dL_dz.sum(0)\n", "torch.zeros_like(dL_dz[0])\n"),
    "first layer forgotten": ("range(model.L, 0, -1)", "range(model.L, 1, -1)"),
    "output layer forgotten": ("range(model.L, 0, -1)", "range(model.L - 1, 0, -1)"),
}

LOSSES = {
    "squared error with the wrong sign": ("residuals.mul_(2)\n", "residuals.mul_(-2)\n"),
    "squared error without its factor": ("residuals.mul_(2)\n", "residuals\n"),
    "squared error averaged": ("residuals.mul_(2)\n", "residuals.mul_(2 / len(residuals))\n"),
    "mean over the samples only": ("2 / residuals.numel()", "2 / len(residuals)"),
    "sum for mean": ("2 / residuals.numel()", "2"),
    "cross entropy summed": ("share = 1 / len(y_true)", "share = 1.0"),
    "cross entropy with the wrong sign": ("share = 1 / len(y_true)", "share = -1 / len(y_true)"),
    "softmax over the samples": ("log_softmax(y_pred, 1,", "log_softmax(y_pred, 0,"),
    "softmax without the one-hot vector": ("y_true.unsqueeze(1), -share)", "y_true.unsqueeze(1), 0.0)"),
    "one-hot vector of full weight": ("y_true.unsqueeze(1), -share)", "y_true.unsqueeze(1), -1.0)"),
    "log-probabilities for probabilities": (
        "exp_minus_abs(log_probabilities)\n",
        "log_probabilities.clone()\n",
    ),
    "gradient of the last batch left in place": ("log_probabilities.zero_()", "log_probabilities"),
}

BUFFERS = {
    "activation derivative missing": (
        "self.activation.backward(self.dL_dz, self.z, self.a, self.scratch)",
        "pass",
    ),
    "inputs of the first batch kept": (
        "        self.below = below\n",
        "        self.below = getattr(self, 'below', below)\n",
    ),
    "bias averaged": ("torch.sum(self.dL_dz, 0,", "torch.mean(self.dL_dz, 0,"),
    "local gradient through the transposed weights": (
        "input_gradient(layer.dL_dz, layer.weight,",
        "input_gradient(layer.dL_dz, layer.weight.T,",
    ),
    "first layer forgotten": ("        self._batch[0].backward()\n", ""),
    "activation over a z that is needed": (
        "(self.activation.in_place or self.activation.f)(self.z)",
        "self.z.copy_(self.activation.f(self.z))",
    ),
    "a of the largest batch": (
        "(self.activation.in_place or self.activation.f)(self.z)",
        "(self.activation.in_place or self.activation.f)(self.z).roll(1, 0)",
    ),
}

DERIVATIVES = {
    "tanh without its square": ("1 - torch.tanh(z) ** 2", "1 - torch.tanh(z)"),
    "relu active on the wrong side": ("return (z > 0).to(z.dtype)", "return (z < 0).to(z.dtype)"),
    "leaky relu without its slope": (
        "return is_positive(z).clamp_min_(LEAKY_SLOPE)",
        "return is_positive(z)",
    ),
    "sigmoid without the second factor": ("torch.sigmoid(z) * torch.sigmoid(-z)", "torch.sigmoid(z)"),
    "softplus by tanh": (
        "    return torch.sigmoid(z)\n\n\ndef times_softplus",
        "    return torch.tanh(z)\n\n\ndef times_softplus",
    ),
    "gelu without the product rule": (" + z * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)", ""),
    "gelu with the density of another deviation": ("torch.exp(-(z**2) / 2)", "torch.exp(-(z**2))"),
}

BACKWARD_STEPS = {
    "tanh with the wrong sign": ("a, a, value=-1", "a, a, value=1"),
    "tanh of z": ("a.new_ones(()), a, a,", "a.new_ones(()), z, z,"),
    "relu everywhere": (".sign_().neg_()", ".sign_().neg_().fill_(-1)"),
    "relu of the dead units": (".sign_().neg_()", ".sign_().sub_(1)"),
    "relu without the mask of all bits": (".sign_().neg_()", ".sign_()"),
    "leaky relu without its slope": ("(is_positive(a, scratch).clamp_min_(LEAKY_SLOPE))", "(is_positive(a))"),
    "sigmoid without the second factor": (".mul_(a)\n", "\n"),
    "sigmoid without the first factor": ("dL_da.mul_(torch.sub(a.new_ones(()), a, out=scratch))", "dL_da"),
    "softplus of the other side": ("is_positive(z, scratch)", "is_positive(-z, scratch)"),
    "softplus as if z were negative": ("q.sub_(is_positive(z, scratch)).abs_()", "q"),
    "gelu at a": ("gelu_backward.grad_input(dL_da, z,", "gelu_backward.grad_input(dL_da, a,"),
    "exponential of the other sign": ("log_sigmoid_forward.default(x)[1]", "exp(x.abs())"),
}


def mutated(module, old="", new=""):
    """A copy of `module` with `old`, which must occur exactly once in its source, replaced by `new`."""
    source = inspect.getsource(module)
    if old:
        assert source.count(old) == 1
        source = source.replace(old, new)
    copy = types.ModuleType(module.__name__)
    exec(compile(source, module.__file__, "exec"), copy.__dict__)
    return copy


def batches():
    """Square networks with as many samples as units, so that no mistake is detected by its shape alone.

    Each comes with two batches; the gradients of the second are checked.
    """
    torch.manual_seed(1)
    for activation in activations.ACTIVATIONS:
        for loss in losses.LOSSES:
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
    """The gradients of backpropagation that multiplies by df(z)."""
    names = {derivative: name for name, (_, derivative, *_) in activations.ACTIVATIONS.items()}
    model.df = {layer: module.ACTIVATIONS[names[df]].df for layer, df in model.df.items()}
    return gradients_of_backpropagation(backprop, model, first, second, loss)


def gradients_with_backward_steps(module, model, first, second, loss):
    entries = dict(zip(activations.ACTIVATIONS.values(), module.ACTIVATIONS.values(), strict=True))
    changed = mutated(backprop)
    changed.activation_of = lambda f, df: entries[activations.activation_of(f, df)]
    return gradients_of_backpropagation(changed, model, first, second, loss)


def gradients_with_losses(module, model, first, second, loss):
    changed = mutated(backprop)
    changed.find_loss = module.find_loss
    return gradients_of_backpropagation(changed, model, first, second, loss)


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
        (gradients_with_backward_steps, activations),
        (gradients_with_losses, losses),
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


@CHECKS
@pytest.mark.parametrize("mistake", BACKWARD_STEPS)
def test_a_mistake_in_a_backward_step_is_caught(mistake, check):
    assert is_caught(check, gradients_with_backward_steps, mutated(activations, *BACKWARD_STEPS[mistake]))


@CHECKS
@pytest.mark.parametrize("mistake", LOSSES)
def test_a_mistake_in_a_loss_is_caught(mistake, check):
    assert is_caught(check, gradients_with_losses, mutated(losses, *LOSSES[mistake]))
