"""Train a small network by hand next to PyTorch, prove that the two agree, and write the report.

Everything public can be imported from here. Modules are imported when a name is first used, so that
`import handgrad` is quick and needs no PyTorch.
"""

from importlib import import_module
from importlib.metadata import version
from typing import Any

# The public names and their modules; __init__.pyi says the same to type checkers and editors.
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
