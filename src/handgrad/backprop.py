"""Backpropagation by hand, in matrix products."""

from typing import Any, Protocol

import torch
from torch import Tensor

from handgrad.activations import activation_of
from handgrad.losses import find_loss


class Network(Protocol):
    """The attributes of a model that backpropagation uses; the course project's networks have them, too."""

    L: int
    fc: Any  # fc[str(l)].weight [n_l, n_(l-1)] and fc[str(l)].bias [n_l]
    f: dict[int, Any]  # f[l](z[l]): the activation of layer l
    df: dict[int, Any]  # df[l](z[l]): its derivative
    z: dict[int, Tensor]  # z[l] = a[l-1] W_l^T + b_l, one row per sample
    a: dict[int, Tensor]  # a[l] = f_l(z[l]); a[0] is the input
    dL_dw: dict[int, Tensor]
    dL_db: dict[int, Tensor]


@torch.no_grad()
def backpropagation(
    model: Network, y_true: Tensor, y_pred: Tensor, loss: str = "squared_error", verbose: bool = False
) -> None:
    """Fill model.dL_dw[l] and model.dL_db[l], l = L..1, with the gradients of the last forward pass's loss.

    With one row per sample, the local gradients dL_dz[l] = dL/dz[l] and the gradients are

        dL_dz[L] = dL/da[L] * f_L'(z[L])                    (BP1)
        dL_dz[l] = dL_dz[l+1] W_(l+1) * f_l'(z[l])          (BP2)
        dL_db[l] = dL_dz[l] summed over the samples         (BP3)
        dL_dw[l] = dL_dz[l]^T a[l-1]                        (BP4)

    where * is element-wise. The numbering is that of Nielsen, Neural Networks and Deep Learning, chapter 2,
    where a sample is a column; see also Goodfellow, Bengio and Courville, Deep Learning, section 6.5.

    Args:
        model: a network that has just computed `y_pred`; its attributes are those of `Network`.
        y_true: the targets, of a shape that broadcasts to that of `y_pred`; for cross_entropy the classes,
            int64 [batch].
        y_pred: the outputs a[L], [batch, n_L]; for cross_entropy they are logits.
        loss: squared_error, ((y_pred - y_true) ** 2).sum(); mse, its mean over samples and outputs; or
            cross_entropy, the mean over samples of -log softmax(y_pred)[y_true].
        verbose: print the operands and shapes of every product.

    Raises:
        ValueError: if the loss is unknown, a shape, dtype or class index is wrong, or the model's z and a are
            not those of the forward pass that computed `y_pred`.
    """
    checked_loss = find_loss(loss)
    _check_forward(model, y_pred)
    y_true = checked_loss.checked(y_true, y_pred)
    samples = y_pred.shape[:-1].numel()
    a = [_rows(model.a[layer], samples) for layer in range(model.L)] + [_rows(y_pred, samples)]

    dL_da = checked_loss.gradient(checked_loss.intermediate(a[model.L], y_true, None), y_true)
    for layer in range(model.L, 0, -1):
        activation = activation_of(model.f[layer], model.df[layer])
        dL_dz = activation.backward(dL_da, _rows(model.z[layer], samples), a[layer])
        weight = model.fc[str(layer)].weight
        if verbose:
            _print_products(layer, dL_dz, a[layer - 1], weight)
        model.dL_dw[layer] = dL_dz.T @ a[layer - 1]
        model.dL_db[layer] = dL_dz.sum(dim=0)
        if layer > 1:
            dL_da = dL_dz @ weight


def _rows(value: Tensor, samples: int) -> Tensor:
    """`value` with all leading dimensions flattened into one, the batch."""
    return value if value.ndim == 2 else value.reshape(samples, -1)


def _print_products(layer: int, dL_dz: Tensor, a: Tensor, weight: Tensor) -> None:
    """Print the operands and shapes of the products of one layer."""
    shape, shape_T = [*dL_dz.shape], [*dL_dz.T.shape]
    print(f"dL_dw[{layer}] = dL_dz[{layer}].T @ a[{layer - 1}]: {shape_T} @ {[*a.shape]}")
    print(f"dL_db[{layer}] = dL_dz[{layer}].sum(dim=0): {shape}")
    if layer > 1:
        print(f"dL_da[{layer - 1}] = dL_dz[{layer}] @ W[{layer}]: {shape} @ {[*weight.shape]}")


def _check_forward(model: Network, y_pred: Tensor) -> None:
    """Check that the model's z and a are those of the forward pass that gave `y_pred`."""
    outputs = model.fc[str(model.L)].weight.shape[0]
    if y_pred.shape[-1:] != (outputs,) or y_pred.numel() == 0:
        raise ValueError(
            f"y_pred has the shape {[*y_pred.shape]}; expected [batch, {outputs}], the model's outputs"
        )
    samples = y_pred.numel() // outputs
    for name, values, layers in (("a", model.a, range(model.L)), ("z", model.z, range(1, model.L + 1))):
        for layer in layers:
            value = values.get(layer)
            if value is None:
                raise ValueError(f"model.{name}[{layer}] is empty; expected a model that has run forward")
            if value.shape[:-1].numel() != samples:
                raise ValueError(
                    f"model.{name}[{layer}] has the shape {[*value.shape]}; expected {samples} rows, of the "
                    "forward pass of y_pred"
                )
