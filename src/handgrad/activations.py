"""Element-wise activation functions, each with its derivative and its step of backpropagation.

To add one, write its functions and add an entry to `ACTIVATIONS`; only `f` and `df` are required.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

LEAKY_SLOPE = 0.01
INTEGERS = {2: torch.int16, 4: torch.int32, 8: torch.int64}  # by size in bytes

aten = torch.ops.aten

# Takes dL_da, z, a = f(z) and an optional scratch tensor of the same shape; overwrites dL_da with
# dL_da * f'(z) and returns it. The operations and their order match autograd's, so the result is identical to
# the last bit.
TimesDerivative = Callable[[Tensor, Tensor, Tensor, Tensor | None], Tensor]


class Activation(NamedTuple):
    """An activation function f, its derivative, and the backward step built from them.

    Attributes:
        f: computes f(z) with PyTorch operations that autograd can differentiate.
        df: computes f'(z).
        times_df: multiplies dL_da by f'(z) in place; see `TimesDerivative`. If None, multiply by df(z).
        in_place: in-place version of f, given only if `times_df` does not use z. If None, use f.
        kernel: the PyTorch backward kernel that `times_df` calls; empty if it is written by hand.
    """

    f: Callable[[Tensor], Tensor]
    df: Callable[[Tensor], Tensor]
    times_df: TimesDerivative | None = None
    in_place: Callable[[Tensor], Tensor] | None = None
    kernel: str = ""

    def backward(self, dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None = None) -> Tensor:
        """Overwrite dL_da with dL_dz = dL_da * f'(z) and return it."""
        if self.times_df is None:
            return dL_da.mul_(self.df(z))
        return self.times_df(dL_da, z, a, scratch)


def tanh(z: Tensor) -> Tensor:
    return torch.tanh(z)


def tanh_derivative(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z) ** 2


def times_tanh_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    """dL_da * (1 - a^2), where addcmul rounds 1 - a^2 once, as autograd does."""
    return dL_da.mul_(torch.addcmul(a.new_ones(()), a, a, value=-1, out=scratch))


def relu(z: Tensor) -> Tensor:
    return torch.relu(z)


def relu_derivative(z: Tensor) -> Tensor:
    """1 where z > 0, else 0. At z = 0, where relu is not differentiable, it is 0, as in PyTorch."""
    return (z > 0).to(z.dtype)


def times_relu_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    """dL_da where a > 0, else 0, even if dL_da is infinite there, where 0 * inf would be NaN.

    Uses a bit mask: on the CPU, torch.where takes seven times as long.
    """
    integer = INTEGERS[a.itemsize]
    # Viewed as an integer, |a| is 0 only where a is 0; -1 has all bits set.
    active = torch.abs(a, out=scratch).view(integer).sign_().neg_()
    dL_da.view(integer).bitwise_and_(active)
    return dL_da


def leaky_relu(z: Tensor) -> Tensor:
    return functional.leaky_relu(z, LEAKY_SLOPE)


def leaky_relu_derivative(z: Tensor) -> Tensor:
    return is_positive(z).clamp_min_(LEAKY_SLOPE)


def times_leaky_relu_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    """dL_da * f'(a); f'(a) equals f'(z) because a and z have the same sign."""
    return dL_da.mul_(is_positive(a, scratch).clamp_min_(LEAKY_SLOPE))


def leaky_relu_in_place(z: Tensor) -> Tensor:
    return functional.leaky_relu_(z, LEAKY_SLOPE)


def sigmoid(z: Tensor) -> Tensor:
    return torch.sigmoid(z)


def sigmoid_derivative(z: Tensor) -> Tensor:
    """sigmoid(z) (1 - sigmoid(z)), without the cancellation in 1 - sigmoid(z) at large z."""
    return torch.sigmoid(z) * torch.sigmoid(-z)


def times_sigmoid_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    """(dL_da * (1 - a)) * a, in autograd's order."""
    return dL_da.mul_(torch.sub(a.new_ones(()), a, out=scratch)).mul_(a)


def identity(z: Tensor) -> Tensor:
    return z


def identity_derivative(z: Tensor) -> Tensor:
    return z.new_ones(())


def times_identity_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    return dL_da


def softplus(z: Tensor) -> Tensor:
    """log(1 + exp(z)), as -log sigmoid(-z) = max(z, 0) + log(1 + exp(-|z|)), which cannot overflow."""
    return -functional.logsigmoid(-z)


def softplus_derivative(z: Tensor) -> Tensor:
    return torch.sigmoid(z)


def times_softplus_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    """dL_da * sigmoid(z), where sigmoid(z) is q = sigmoid(-|z|) for z <= 0, else 1 - q."""
    e = exp_minus_abs(z)
    q = e / (1 + e)
    return dL_da.mul_(q.sub_(is_positive(z, scratch)).abs_())


def gelu(z: Tensor) -> Tensor:
    """z Phi(z), where Phi is the standard normal CDF (Hendrycks and Gimpel, arXiv:1606.08415)."""
    return functional.gelu(z)


def gelu_derivative(z: Tensor) -> Tensor:
    """Phi(z) + z phi(z), where phi is the standard normal density."""
    return torch.special.ndtr(z) + z * torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)


def times_gelu_derivative(dL_da: Tensor, z: Tensor, a: Tensor, scratch: Tensor | None) -> Tensor:
    """Call autograd's own kernel, whose error function differs from torch.erf in the last bit."""
    return aten.gelu_backward.grad_input(dL_da, z, grad_input=dL_da)


def exp_minus_abs(x: Tensor) -> Tensor:
    """exp(-|x|), computed with the exponential that PyTorch's CPU kernels use internally.

    If PyTorch is built with MKL, torch.exp calls MKL and differs from that exponential in the last bit of one
    value in fifteen. The log-sigmoid kernel returns exp(-|x|) as its second result.
    """
    return aten.log_sigmoid_forward.default(x)[1] if x.is_cpu else torch.exp(-x.abs())


def is_positive(x: Tensor, out: Tensor | None = None) -> Tensor:
    """1 where x > 0, else 0, in the dtype of x. On the CPU, three times as fast as (x > 0).to(x.dtype)."""
    return torch.gt(x, 0, out=torch.empty_like(x) if out is None else out)


ACTIVATIONS = {
    "tanh": Activation(tanh, tanh_derivative, times_tanh_derivative, torch.tanh_),
    "relu": Activation(relu, relu_derivative, times_relu_derivative, torch.relu_),
    "leaky_relu": Activation(
        leaky_relu, leaky_relu_derivative, times_leaky_relu_derivative, leaky_relu_in_place
    ),
    "sigmoid": Activation(sigmoid, sigmoid_derivative, times_sigmoid_derivative, torch.sigmoid_),
    "identity": Activation(identity, identity_derivative, times_identity_derivative, identity),
    "softplus": Activation(softplus, softplus_derivative, times_softplus_derivative),
    "gelu": Activation(gelu, gelu_derivative, times_gelu_derivative, kernel="gelu_backward"),
}

_BY_FUNCTIONS = {(activation.f, activation.df): activation for activation in ACTIVATIONS.values()}


def activation_of(f: Callable[[Tensor], Tensor], df: Callable[[Tensor], Tensor]) -> Activation:
    """The entry of `ACTIVATIONS` with these functions, or a new `Activation` if there is none."""
    return _BY_FUNCTIONS.get((f, df)) or Activation(f, df)
