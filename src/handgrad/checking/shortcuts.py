"""Notice when a function that should compute by hand uses PyTorch's backward pass or an optimizer of its."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

AUTOGRAD, OPTIMIZER = "autograd", "torch.optim"


@contextmanager
def shortcuts_watched() -> Iterator[set[str]]:
    """Collect which of `AUTOGRAD` and `OPTIMIZER` are used within the context.

    Every way into autograd, torch.func and loss.backward() included, passes through one function of
    PyTorch's, so that it does not matter how the submission has imported it.
    """
    used: set[str] = set()
    run_backward = torch.autograd._engine_run_backward

    def watched(*arguments: Any, **options: Any) -> Any:
        used.add(AUTOGRAD)
        return run_backward(*arguments, **options)

    hook = register_optimizer_step_pre_hook(lambda optimizer, arguments, options: used.add(OPTIMIZER))
    with mock.patch.object(torch.autograd, "_engine_run_backward", watched):
        try:
            yield used
        finally:
            hook.remove()
