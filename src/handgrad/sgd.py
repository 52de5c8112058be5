"""Stochastic gradient descent by hand, with momentum, dampening, Nesterov momentum and weight decay."""

import math
from collections.abc import Iterable, Sequence
from numbers import Real

import torch
from torch import Tensor

from handgrad.arguments import describe

BLOCK = 2**16  # values; all blocks used together in an update fit into a processor's cache


@torch.no_grad()
def sgd_update(
    parameters: Sequence[Tensor],
    gradients: Sequence[Tensor],
    momentum_buffers: list[Tensor | None],
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> None:
    """Update `parameters` in place by one step of SGD. The gradients are overwritten as scratch space.

    Let g be the gradient, p the parameter and v its momentum buffer (None before the first step):

        g <- g + weight_decay * p
        v <- momentum * v + (1 - dampening) * g      (in the first step v <- g, undamped)
        g <- g + momentum * v  with nesterov,  else  v
        p <- p - lr * g

    The in-place operations and their order match torch.optim.SGD, so the results are bit-identical
    (https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html; Sutskever et al., On the importance
    of initialization and momentum in deep learning, ICML 2013). Written as p - lr * g, the result would
    differ in the last bit.
    """
    for i, (p, g) in enumerate(zip(parameters, gradients, strict=True)):
        if weight_decay != 0:
            g.add_(p, alpha=weight_decay)
        if momentum != 0:
            v = momentum_buffers[i]
            if v is None:
                v = momentum_buffers[i] = g.clone()
            else:
                v.mul_(momentum).add_(g, alpha=1 - dampening)
            g = g.add_(v, alpha=momentum) if nesterov else v
        p.add_(g, alpha=-lr)


class ManualSGD:
    """`sgd_update` with its settings and momentum buffers, applied block by block on the CPU.

    Each operation of the update makes a pass over all values. With blocks, the next operation finds its
    operands in the cache; with whole tensors, it would have to read them from memory again.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float,
        weight_decay: float = 0.0,
        momentum: float = 0.0,
        dampening: float = 0.0,
        nesterov: bool = False,
        momentum_buffers: list[Tensor | None] | None = None,
    ) -> None:
        """Optimize `parameters`; pass `momentum_buffers`, one per parameter, to continue an earlier run.

        Raises:
            ValueError: if a setting is negative or not finite, if Nesterov momentum is requested without
                momentum or with dampening (as in torch.optim.SGD), or if the momentum buffers do not match
                the parameters in number and shape.
            TypeError: if a setting is not a number.
        """
        settings = {"lr": lr, "weight_decay": weight_decay, "momentum": momentum, "dampening": dampening}
        for name, value in settings.items():
            if not isinstance(value, Real):
                raise TypeError(f"{name} is {describe(value)}; expected a number")
            if not math.isfinite(value) or (value < 0 and name != "dampening"):
                raise ValueError(f"{name} is {value}; expected a finite number, at least 0")
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"nesterov with momentum {momentum} and dampening {dampening}; "
                "expected a momentum above 0 and no dampening"
            )
        self.parameters = [parameter.detach() for parameter in parameters]
        if momentum_buffers is None:
            momentum_buffers = [None] * len(self.parameters)
        if len(momentum_buffers) != len(self.parameters):
            raise ValueError(
                f"{len(momentum_buffers)} momentum buffers for {len(self.parameters)} parameters; expected "
                "one for each, None before its first step"
            )
        for i, (parameter, buffer) in enumerate(zip(self.parameters, momentum_buffers, strict=True)):
            if buffer is not None and buffer.shape != parameter.shape:
                raise ValueError(
                    f"momentum_buffers[{i}] has the shape {[*buffer.shape]}; expected {[*parameter.shape]}"
                )
        self.momentum_buffers = momentum_buffers
        self._momentum = momentum
        self._settings = (lr, weight_decay, momentum, dampening, nesterov)

    def step(self, gradients: Sequence[Tensor | None]) -> None:
        """Update the parameters by their gradients, which are overwritten.

        A parameter without a gradient (None) and its momentum buffer are left unchanged, as in
        torch.optim.SGD.
        """
        chosen = [i for i, gradient in enumerate(gradients) if gradient is not None]
        parameters = [self.parameters[i] for i in chosen]
        present = [gradient for gradient in gradients if gradient is not None]
        buffers = [self.momentum_buffers[i] for i in chosen]
        # The first step with momentum creates the buffers, as whole tensors rather than blocks.
        made = [buffer for buffer in buffers if buffer is not None]
        started = self._momentum == 0 or len(made) == len(chosen)
        if started and all(map(_is_flat, [*parameters, *present, *made])):
            momentum_blocks: list[Tensor | None] = [*_blocks(made)]
            sgd_update(_blocks(parameters), _blocks(present), momentum_blocks, *self._settings)
        else:
            sgd_update(parameters, present, buffers, *self._settings)
            for i, buffer in zip(chosen, buffers, strict=True):
                self.momentum_buffers[i] = buffer


def _is_flat(tensor: Tensor) -> bool:
    """Whether the tensor is dense, contiguous and on the CPU."""
    return tensor.is_cpu and tensor.layout == torch.strided and tensor.is_contiguous()


def _blocks(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Flat views of at most `BLOCK` values each, which together cover all values of the tensors."""
    return [block for tensor in tensors for block in tensor.view(-1).split(BLOCK)]
