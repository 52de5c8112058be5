"""Train a small network by hand and with PyTorch, verify that the two agree, and report the results.

The whole public API can be imported from here. Modules are imported when a name is first used, so
`import handgrad` is fast and does not import PyTorch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

# The public names and their modules; __init__.pyi declares the same names for type checkers and editors.
_MODULES = {
    "History": "history",
    "MyMLP": "networks",
    "MyNet": "networks",
    "backpropagation": "backprop",
    "Batches": "data.batches",
    "accuracy": "training",
    "check_against_autograd": "gradcheck",
    "check_gradients": "gradcheck",
    "compare_models": "comparison",
    "load_cifar2": "data.loading",
    "train": "training",
    "train_manual_backprop": "training",
    "train_manual_update": "training",
}

__all__ = sorted([*_MODULES, "__version__"])


def __getattr__(name: str) -> Any:
    if name == "__version__":
        return version("handgrad")
    if name in _MODULES:
        return getattr(import_module(f"handgrad.{_MODULES[name]}"), name)
    raise AttributeError(f"module 'handgrad' has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
