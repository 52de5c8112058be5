"""Stochastic gradient descent by hand: with momentum, dampening, Nesterov's variant and weight decay."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

CACHE_LINE = 64  # bytes


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
    """`sgd_update` with its settings and momentum buffers, in one pass over memory where the bits allow it.

    `torch._fused_sgd_` reads and writes each value once instead of once an operation. It gives the same bits,
    except in the last values of a tensor, where they do not fill a cache line: its scalar code rounds them
    otherwise. Tensors with such a rest are updated by `sgd_update`.
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
        self._settings = (lr, weight_decay, momentum, dampening, nesterov)
        self._fused = [i for i, p in enumerate(self.parameters) if fills_cache_lines(p)]
        self._plain = [i for i, p in enumerate(self.parameters) if not fills_cache_lines(p)]

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor]) -> None:
        """Update the parameters by their gradients, which are lost."""
        if self._fused:
            self._step_fused([gradients[i] for i in self._fused])
        buffers = [self.momentum_buffers[i] for i in self._plain]
        sgd_update(
            [self.parameters[i] for i in self._plain],
            [gradients[i] for i in self._plain],
            buffers,
            *self._settings,
        )
        for i, buffer in zip(self._plain, buffers, strict=True):
            self.momentum_buffers[i] = buffer

    def _step_fused(self, gradients: list[Tensor]) -> None:
        lr, weight_decay, momentum, dampening, nesterov = self._settings
        first = momentum != 0 and self.momentum_buffers[self._fused[0]] is None
        if first:
            for i in self._fused:
                self.momentum_buffers[i] = torch.empty_like(self.parameters[i])
        buffers = [buffer for i in self._fused if (buffer := self.momentum_buffers[i]) is not None]
        torch._fused_sgd_(
            [self.parameters[i] for i in self._fused],
            gradients,
            buffers,
            weight_decay=weight_decay,
            momentum=momentum,
            lr=lr,
            dampening=dampening,
            nesterov=nesterov,
            maximize=False,
            is_first_step=first,
        )


def torch_sgd(
    parameters: Iterable[Tensor],
    lr: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    dampening: float = 0.0,
    nesterov: bool = False,
) -> torch.optim.SGD:
    """PyTorch's SGD with the bits of its default; its fused kernel is used for the tensors where it has them.

    See `ManualSGD`, which treats the same tensors in the same way.
    """
    groups: dict[bool, list[Tensor]] = {True: [], False: []}
    for parameter in parameters:
        groups[fills_cache_lines(parameter)].append(parameter)
    return torch.optim.SGD(
        [{"params": tensors, "fused": fused} for fused, tensors in groups.items() if tensors],
        lr=lr,
        weight_decay=weight_decay,
        momentum=momentum,
        dampening=dampening,
        nesterov=nesterov,
    )


def fills_cache_lines(tensor: Tensor) -> bool:
    """Whether a tensor's values fill whole cache lines, so that all of them go through vector code."""
    return tensor.is_contiguous() and tensor.numel() * tensor.element_size() % CACHE_LINE == 0
