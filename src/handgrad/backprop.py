"""Backpropagation, by hand and in matrix products."""

import logging
from typing import Any, Protocol

import torch
from torch import Tensor

LOSSES = ("squared_error", "mse", "cross_entropy")

logger = logging.getLogger(__name__)


class Network(Protocol):
    """What backpropagation asks of a model; the course project's networks have it too."""

    L: int
    fc: Any  # fc[str(l)].weight [n_l, n_(l-1)] and fc[str(l)].bias [n_l]
    df: dict[int, Any]  # df[l](z[l]): the derivative of the activation of layer l
    z: dict[int, Tensor]  # z[l] = a[l-1] W_l^T + b_l, one row for each sample
    a: dict[int, Tensor]  # a[l] = f_l(z[l]); a[0] is the input
    dL_dw: dict[int, Tensor]
    dL_db: dict[int, Tensor]


@torch.no_grad()
def backpropagation(
    model: Network, y_true: Tensor, y_pred: Tensor, loss: str = "squared_error", verbose: bool = False
) -> None:
    """Fill model.dL_dw[l] and model.dL_db[l], l = L..1, with the gradients of the loss of the last forward.

    With one row for each sample, the local gradients dL_dz[l] = dL/dz[l] and the gradients are

        dL_dz[L] = dL/da[L] * f_L'(z[L])                    (BP1)
        dL_dz[l] = dL_dz[l+1] W_(l+1) * f_l'(z[l])          (BP2)
        dL_db[l] = dL_dz[l] summed over the samples         (BP3)
        dL_dw[l] = dL_dz[l]^T a[l-1]                        (BP4)

    where * is element-wise. The numbering is that of Nielsen, Neural Networks and Deep Learning, chapter 2,
    where a sample is a column; see also Goodfellow, Bengio and Courville, Deep Learning, section 6.5.

    Args:
        model: a network that has just computed `y_pred`; its attributes are those of `Network`.
        y_true: the targets, of the shape of `y_pred`; for cross_entropy the classes, int64 [batch].
        y_pred: the outputs a[L], [batch, n_L]; for cross_entropy they are logits.
        loss: squared_error, ((y_pred - y_true) ** 2).sum(); mse, its mean over samples and outputs; or
            cross_entropy, the mean over samples of -log softmax(y_pred)[y_true].
        verbose: log the operands and shapes of every product.

    Raises:
        ValueError: if the loss is unknown, a shape, dtype or class label is wrong, or the model's z and a are
            not those of the forward pass that gave `y_pred`.
    """
    y_true, y_pred = _checked(model, y_true, y_pred, loss)
    a = {layer: model.a[layer].reshape(len(y_pred), -1) for layer in range(model.L)}
    z = {layer: model.z[layer].reshape(len(y_pred), -1) for layer in range(1, model.L + 1)}

    dL_dz = loss_gradient(y_true, y_pred, loss) * model.df[model.L](z[model.L])
    for layer in range(model.L, 0, -1):
        weight = model.fc[str(layer)].weight
        if verbose:
            _log_products(layer, dL_dz, a[layer - 1], weight)
        model.dL_dw[layer] = dL_dz.T @ a[layer - 1]
        model.dL_db[layer] = dL_dz.sum(dim=0)
        if layer > 1:
            dL_dz = (dL_dz @ weight) * model.df[layer - 1](z[layer - 1])


def loss_gradient(y_true: Tensor, y_pred: Tensor, loss: str) -> Tensor:
    """dL/dy_pred, [batch, outputs]."""
    if loss == "squared_error":
        return 2 * (y_pred - y_true)
    if loss == "mse":
        return (2 / y_pred.numel()) * (y_pred - y_true)
    # (softmax(y_pred) - onehot(y_true)) / batch, by the chain rule through the log-softmax. PyTorch's own
    # kernel evaluates that step, since its exponential differs from torch.exp in the last bit.
    log_probabilities = torch.log_softmax(y_pred, dim=1)
    gradient = torch.zeros_like(y_pred).scatter_(1, y_true[:, None], -1 / len(y_pred))
    return torch._log_softmax_backward_data(gradient, log_probabilities, 1, y_pred.dtype)


def _log_products(layer: int, dL_dz: Tensor, a: Tensor, weight: Tensor) -> None:
    """The operands and shapes of the products of one layer."""
    shape, shape_T = [*dL_dz.shape], [*dL_dz.T.shape]
    logger.info("dL_dw[%d] = dL_dz[%d].T @ a[%d]: %s @ %s", layer, layer, layer - 1, shape_T, [*a.shape])
    logger.info("dL_db[%d] = dL_dz[%d].sum(dim=0): %s", layer, layer, shape)
    if layer > 1:
        logger.info("dL_da[%d] = dL_dz[%d] @ W[%d]: %s @ %s", layer - 1, layer, layer, shape, [*weight.shape])


def _checked(model: Network, y_true: Tensor, y_pred: Tensor, loss: str) -> tuple[Tensor, Tensor]:
    """`y_true` and `y_pred` with all leading dimensions flattened into one, the batch."""
    if loss not in LOSSES:
        raise ValueError(f"no loss is named {loss!r}; expected one of {', '.join(LOSSES)}")
    outputs = model.fc[str(model.L)].weight.shape[0]
    if y_pred.shape[-1:] != (outputs,) or y_pred.numel() == 0:
        raise ValueError(
            f"y_pred has the shape {[*y_pred.shape]}; expected [batch, {outputs}], the model's outputs"
        )
    samples = y_pred.numel() // outputs
    for name, values, layers in (("a", model.a, range(model.L)), ("z", model.z, range(1, model.L + 1))):
        for layer in layers:
            _check_value(f"model.{name}[{layer}]", values.get(layer), samples)

    if loss == "cross_entropy":
        _check_classes(y_true, samples, outputs)
        return y_true.reshape(-1), y_pred.reshape(-1, outputs)
    if y_true.shape[-1:] != (outputs,) or y_true.numel() != y_pred.numel():
        raise ValueError(
            f"y_true has the shape {[*y_true.shape]}; expected that of y_pred, {[*y_pred.shape]}"
        )
    if torch.result_type(y_pred, y_true) != y_pred.dtype:
        raise ValueError(f"y_true is {y_true.dtype}; expected {y_pred.dtype}, as y_pred")
    return y_true.reshape(-1, outputs), y_pred.reshape(-1, outputs)


def _check_value(name: str, value: Tensor | None, samples: int) -> None:
    if value is None:
        raise ValueError(f"{name} is empty; expected a model that has run forward")
    if value.shape[:-1].numel() != samples:
        raise ValueError(
            f"{name} has the shape {[*value.shape]}; expected {samples} rows, of the forward pass of y_pred"
        )


def _check_classes(y_true: Tensor, samples: int, classes: int) -> None:
    if y_true.dtype != torch.int64 or y_true.numel() != samples:
        raise ValueError(
            f"y_true is {y_true.dtype} of the shape {[*y_true.shape]}; expected class indices, "
            f"torch.int64 of the shape [{samples}]"
        )
    lowest, highest = torch.aminmax(y_true)
    if lowest < 0 or highest >= classes:
        raise ValueError(f"y_true has classes from {lowest} to {highest}; expected 0 to {classes - 1}")
