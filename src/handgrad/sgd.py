"""Stochastic gradient descent by hand: with momentum, dampening, Nesterov's variant and weight decay."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

BLOCK = 2**16  # values; the blocks of an update that belong together fit into a processor's cache


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
    """Update `parameters` in place by one step of SGD. The gradients serve as scratch space and are lost.

    With g the gradient, p the parameter and v its momentum buffer (None before the first step):

        g <- g + weight_decay * p
        v <- momentum * v + (1 - dampening) * g      (in the first step v <- g, undamped)
        g <- g + momentum * v  with nesterov,  else  v
        p <- p - lr * g

    The order and the in-place operations are those of torch.optim.SGD, whose bits these are
    (https://docs.pytorch.org/docs/stable/generated/torch.optim.SGD.html; Sutskever et al., On the importance
    of initialization and momentum in deep learning, ICML 2013). Written as p - lr * g the last bit differs.
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
    """`sgd_update` with its settings and momentum buffers, on the CPU block by block.

    Each operation of the update goes over all the values. In blocks, the next operation finds its operands
    in the cache; over whole tensors it would read them from memory again.
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
        """Take over `parameters`; `momentum_buffers`, one for each, continue an earlier run.

        Raises:
            ValueError: if a setting is out of range, or Nesterov's variant is asked for without momentum or
                with dampening (the conditions of torch.optim.SGD).
        """
        if lr < 0 or weight_decay < 0 or momentum < 0:
            raise ValueError(
                f"lr {lr}, weight_decay {weight_decay}, momentum {momentum}; expected none below 0"
            )
        if nesterov and (momentum == 0 or dampening != 0):
            raise ValueError(
                f"nesterov with momentum {momentum}, dampening {dampening}; expected momentum, no dampening"
            )
        self.parameters = [parameter.detach() for parameter in parameters]
        self.momentum_buffers: list[Tensor | None] = momentum_buffers or [None] * len(self.parameters)
        self._momentum = momentum
        self._settings = (lr, weight_decay, momentum, dampening, nesterov)

    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update the parameters by their gradients, which are lost."""
        buffers = [buffer for buffer in self.momentum_buffers if buffer is not None]
        # The first step with momentum makes the buffers, and makes them whole.
        started = self._momentum == 0 or len(buffers) == len(self.parameters)
        tensors = [*self.parameters, *gradients, *buffers]
        if started and all(tensor.is_cpu and tensor.is_contiguous() for tensor in tensors):
            momentum_blocks: list[Tensor | None] = [*_blocks(buffers)]
            sgd_update(_blocks(self.parameters), _blocks(gradients), momentum_blocks, *self._settings)
        else:
            sgd_update(self.parameters, gradients, self.momentum_buffers, *self._settings)


def _blocks(tensors: Iterable[Tensor]) -> list[Tensor]:
    """Flat views of at most `BLOCK` values, together all the values of the tensors."""
    return [block for tensor in tensors for block in tensor.view(-1).split(BLOCK)]
