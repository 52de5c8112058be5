"""Checks of anyone's networks, backpropagation and updates, which name the mistake where they can.

The public functions are imported on first use: the modules of this package can be used without PyTorch's
start-up time where they do not need it.
"""

from importlib import import_module
from typing import Any

__all__ = ["check_backpropagation", "check_file", "check_network", "check_update"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("handgrad.checking.checks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
