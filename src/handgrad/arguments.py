"""Argument validation for public functions: error messages say what was given and what is expected.

The checks cover types, shapes and dtypes, so their cost is negligible in training; values are inspected only
after an operation has failed.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

NETWORK = ("L", "fc", "df", "z", "a", "dL_dw", "dL_db")


def check_integer(name: str, value: object, lowest: int) -> None:
    """Raise TypeError if `value` is not an integer, ValueError if it is below `lowest`."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise TypeError(f"{name} is {describe(value)}; expected an integer")
    if value < lowest:
        raise ValueError(f"{name} is {value}; expected at least {lowest}")


def check_module(model: object) -> None:
    """Raise unless `model` is a module with trainable parameters."""
    if isinstance(model, type):
        raise TypeError(f"model is {describe(model)}; expected an instance, such as {model.__name__}(...)")
    if not isinstance(model, nn.Module):
        raise TypeError(f"model is {describe(model)}; expected a torch.nn.Module")
    _check_trainable(list(model.parameters()))


def check_network(model: Any, *, trainable: bool = False) -> None:
    """Raise unless `model` has the attributes that backpropagation by hand needs."""
    if isinstance(model, type):
        raise TypeError(f"model is {describe(model)}; expected an instance, such as {model.__name__}(...)")
    if missing := [name for name in NETWORK if not hasattr(model, name)]:
        raise TypeError(
            f"model is {describe(model)}, without {', '.join(missing)}; expected a MyNet, a MyMLP or a "
            f"network with the attributes {', '.join(NETWORK)}"
        )
    parameters: dict[int, str] = {}
    for layer in range(1, model.L + 1):
        if str(layer) not in model.fc:
            raise ValueError(f"model.fc has no layer '{layer}'; expected '1' to '{model.L}'")
        if layer not in model.df:
            raise ValueError(f"model.df has no derivative of layer {layer}; expected 1 to {model.L}")
        for name in ("weight", "bias"):
            parameter = getattr(model.fc[str(layer)], name, None)
            shown = f"model.fc['{layer}'].{name}"
            if parameter is None:
                raise ValueError(f"{shown} is None; expected layers with weight and bias")
            if id(parameter) in parameters:
                raise ValueError(
                    f"{shown} is {parameters[id(parameter)]}; expected layers that share no parameter, since "
                    "each has a gradient of its own (train_manual_update trains shared parameters)"
                )
            parameters[id(parameter)] = shown
    if trainable:
        layers = [model.fc[str(layer)] for layer in range(1, model.L + 1)]
        _check_trainable([parameter for layer in layers for parameter in (layer.weight, layer.bias)])


def check_optimizer(optimizer: object, model: nn.Module) -> None:
    """Raise unless `optimizer` is a PyTorch optimizer that updates at least one of the model's parameters."""
    if not isinstance(optimizer, torch.optim.Optimizer):
        raise TypeError(
            f"optimizer is {describe(optimizer)}; expected one of torch.optim, such as "
            "torch.optim.SGD(model.parameters(), lr=0.01)"
        )
    updated = {id(parameter) for group in optimizer.param_groups for parameter in group["params"]}
    if updated.isdisjoint(map(id, model.parameters())):
        raise ValueError(
            "optimizer has none of the model's parameters; expected one made for this model, such as "
            "torch.optim.SGD(model.parameters(), lr=0.01)"
        )


def check_loss(loss_fn: object) -> None:
    """Raise unless `loss_fn` can be called with outputs and labels."""
    if isinstance(loss_fn, type):
        raise TypeError(
            f"loss_fn is {describe(loss_fn)}; expected an instance, such as nn.{loss_fn.__name__}()"
        )
    if not callable(loss_fn):
        raise TypeError(
            f"loss_fn is {describe(loss_fn)}; expected a function of outputs and labels, such as "
            "nn.CrossEntropyLoss()"
        )


def check_loader(name: str, loader: Any, passes: int) -> None:
    """Raise unless `loader` can be iterated `passes` times."""
    if isinstance(loader, str | Tensor | dict) or not hasattr(loader, "__iter__"):
        hint = ", or None; weight_decay comes after it" if name == "val_loader" else ""
        raise TypeError(
            f"{name} is {describe(loader)}; expected batches of inputs and labels "
            f"(Batches, a DataLoader){hint}"
        )
    if passes > 1 and isinstance(loader, Iterator):
        raise ValueError(
            f"{name} is {describe(loader)}, which can be iterated once; expected one that can be iterated "
            f"{passes} times (Batches, a DataLoader, a list)"
        )


def check_batch(name: str, batch: Any) -> tuple[Tensor, Tensor]:
    """Return the inputs and labels of a batch.

    Raises:
        TypeError: if the batch is not a pair of tensors.
        ValueError: if the batch is empty, or the numbers of inputs and labels differ.
    """
    if not isinstance(batch, tuple | list) or len(batch) != 2:
        raise TypeError(f"{name} yields {describe(batch)}; expected pairs of inputs and labels")
    inputs, labels = batch
    for part, values in (("inputs", inputs), ("labels", labels)):
        if not isinstance(values, Tensor):
            raise TypeError(
                f"{name}: the {part} are {describe(values)}; expected a torch.Tensor "
                "(torch.as_tensor makes one)"
            )
        if values.ndim == 0:
            raise ValueError(f"{name}: the {part} are a single value; expected a batch, [batch, ...]")
    if len(inputs) != len(labels):
        raise ValueError(
            f"{name}: {len(inputs)} inputs ({[*inputs.shape]}) and {len(labels)} labels ({[*labels.shape]}); "
            "expected as many of both; a single sample needs a batch dimension, [1, ...]"
        )
    if len(inputs) == 0:
        raise ValueError(f"{name} yields an empty batch; expected at least one sample")
    return inputs, labels


def check_fit(name: str, model: Any, loss: str, inputs: Tensor, labels: Tensor) -> None:
    """Raise ValueError unless a batch is compatible with a fully connected network and a loss."""
    weight = model.fc["1"].weight
    if inputs.ndim < 2:
        raise ValueError(
            f"{name}: the inputs have the shape {[*inputs.shape]}; expected a batch, "
            f"[batch, {weight.shape[1]}]; a single sample needs a batch dimension, inputs[None]"
        )
    if inputs.dtype != weight.dtype:
        raise ValueError(f"{name}: {_dtypes(inputs.dtype, weight.dtype)}")
    values = inputs[0].numel()
    if values != weight.shape[1]:
        raise ValueError(
            f"{name}: the inputs have the shape {[*inputs.shape]}, {values} values for each sample; expected "
            f"{weight.shape[1]}, as many as the model has inputs"
        )
    check_labels(f"{name}: the labels are", labels, loss, len(inputs), model.fc[str(model.L)].weight.shape[0])


def check_labels(subject: str, labels: Tensor, loss: str, samples: int, outputs: int) -> None:
    """Raise ValueError unless the targets of a batch have a shape and dtype that the loss accepts."""
    shown = f"{subject} {labels.dtype} of the shape {[*labels.shape]}"
    if loss == "cross_entropy":
        if labels.dtype != torch.int64 or labels.shape != (samples,):
            hint = "; of one-hot labels, argmax(dim=1) gives these" if labels.ndim == 2 else ""
            raise ValueError(f"{shown}; expected class indices, torch.int64 of the shape [{samples}]{hint}")
    elif not broadcasts(labels.shape, torch.Size((samples, outputs))):
        raise ValueError(f"{shown}; expected the shape of the outputs, [{samples}, {outputs}]")


def check_outputs(outputs: Any, inputs: Tensor, labels: Tensor, loss_fn: object = None) -> None:
    """Raise unless the outputs are [batch, classes] and, for MSELoss, the labels broadcast to that shape."""
    if not isinstance(outputs, Tensor):
        raise TypeError(f"the model's outputs are {describe(outputs)}; expected a torch.Tensor")
    if outputs.ndim < 2 or len(outputs) != len(inputs):
        raise ValueError(
            f"the model's outputs have the shape {[*outputs.shape]}; expected [{len(inputs)}, classes], a "
            "row for each sample"
        )
    if (isinstance(loss_fn, nn.MSELoss) or loss_fn is functional.mse_loss) and not broadcasts(
        labels.shape, outputs.shape
    ):
        raise ValueError(
            f"the labels have the shape {[*labels.shape]}; expected that of the outputs, {[*outputs.shape]}"
        )


def check_loss_value(value: Any) -> None:
    """Raise unless a loss is a single value."""
    if not isinstance(value, Tensor):
        raise TypeError(f"loss_fn returns {describe(value)}; expected a torch.Tensor with one value")
    if value.numel() != 1:
        raise ValueError(
            f"loss_fn returns the shape {[*value.shape]}; expected one value, the mean over the batch "
            '(reduction="mean")'
        )


def explain(name: str, model: Any, inputs: Tensor, labels: Tensor, error: Exception) -> str:
    """Explain why an operation on a batch failed, as far as dtypes, shapes and labels reveal the cause."""
    parameter = next((p for p in getattr(model, "parameters", list)() if p.is_floating_point()), None)
    if parameter is not None and inputs.is_floating_point() and inputs.dtype != parameter.dtype:
        return f"{name}: {_dtypes(inputs.dtype, parameter.dtype)}"
    batch = f"inputs, {inputs.dtype} {[*inputs.shape]}, and labels, {labels.dtype} {[*labels.shape]}"
    if not labels.is_floating_point() and labels.ndim == 1:
        batch += f" from {labels.min().item()} to {labels.max().item()}"
    reason = str(error).partition("\n")[0]
    return f"{name}: the model or loss_fn cannot take a batch of {batch}: {reason}"


def describe(value: object) -> str:
    """Describe a value briefly: numbers and names verbatim, everything else by type."""
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if isinstance(value, str):
        return repr(value[:50])
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if isinstance(value, Tensor):
        return f"a tensor of the shape {[*value.shape]}"
    if isinstance(value, tuple | list):
        return f"a {type(value).__name__} of {len(value)}"
    article = "an" if type(value).__name__[0].lower() in "aeiou" else "a"
    return f"{article} {type(value).__name__}"


def _check_trainable(parameters: list[Tensor]) -> None:
    if not any(parameter.requires_grad for parameter in parameters):
        raise ValueError(
            f"none of the model's {len(parameters)} parameters requires a gradient; there is nothing to train"
        )


def _dtypes(inputs: torch.dtype, parameters: torch.dtype) -> str:
    name = str(parameters).removeprefix("torch.")
    hint = f"convert the inputs, inputs.to({parameters})"
    if inputs.is_floating_point:
        hint += f", or the model, model.to({inputs})"
    else:
        hint += ", and scale them"
    return f"the inputs are {inputs}, the model's parameters {name}; {hint}"


def broadcasts(shape: torch.Size, target: torch.Size) -> bool:
    """Whether a tensor of shape `shape` broadcasts to the shape `target` without enlarging it."""
    # torch.broadcast_shapes would import SymPy, which takes two seconds.
    sizes = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(size in (1, expected) for size, expected in sizes)
