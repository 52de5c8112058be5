"""Check networks, backpropagation and updates written by others, and name the mistake where possible.

The public functions are imported on first use, so modules that do not need PyTorch load quickly.
"""

from importlib import import_module
from typing import Any

__all__ = ["check_backpropagation", "check_file", "check_network", "check_update"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("handgrad.checking.checks"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
