"""The activation functions, each beside its derivative: all element-wise, of the pre-activation `z`."""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

LEAKY_SLOPE = 0.01
SOFTPLUS_THRESHOLD = 40.0


def tanh(z: Tensor) -> Tensor:
    return torch.tanh(z)


def tanh_derivative(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z) ** 2


def relu(z: Tensor) -> Tensor:
    return torch.relu(z)


def relu_derivative(z: Tensor) -> Tensor:
    """0 at z = 0, as PyTorch has it: one of the subgradients there."""
    return (z > 0).to(z.dtype)


def leaky_relu(z: Tensor) -> Tensor:
    return functional.leaky_relu(z, LEAKY_SLOPE)


def leaky_relu_derivative(z: Tensor) -> Tensor:
    return torch.full_like(z, LEAKY_SLOPE).masked_fill_(z > 0, 1)


def sigmoid(z: Tensor) -> Tensor:
    return torch.sigmoid(z)


def sigmoid_derivative(z: Tensor) -> Tensor:
    """sigmoid(z) (1 - sigmoid(z)), without the cancellation of 1 - sigmoid(z) at large z."""
    return torch.sigmoid(z) * torch.sigmoid(-z)


def identity(z: Tensor) -> Tensor:
    return z


def identity_derivative(z: Tensor) -> Tensor:
    return z.new_ones(())


def softplus(z: Tensor) -> Tensor:
    """log(1 + exp(z)); above the threshold that is z, to the last bit of float64."""
    return functional.softplus(z, threshold=SOFTPLUS_THRESHOLD)


def softplus_derivative(z: Tensor) -> Tensor:
    return torch.sigmoid(z)


def gelu(z: Tensor) -> Tensor:
    """z Phi(z), Phi the standard normal distribution function (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return functional.gelu(z)


def gelu_derivative(z: Tensor) -> Tensor:
    """Phi(z) + z phi(z), phi the standard normal density."""
    return torch.special.ndtr(z) + z * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


class Activation(NamedTuple):
    """An activation function and its derivative."""

    f: Callable[[Tensor], Tensor]
    df: Callable[[Tensor], Tensor]


ACTIVATIONS = {
    "tanh": Activation(tanh, tanh_derivative),
    "relu": Activation(relu, relu_derivative),
    "leaky_relu": Activation(leaky_relu, leaky_relu_derivative),
    "sigmoid": Activation(sigmoid, sigmoid_derivative),
    "identity": Activation(identity, identity_derivative),
    "softplus": Activation(softplus, softplus_derivative),
    "gelu": Activation(gelu, gelu_derivative),
}
