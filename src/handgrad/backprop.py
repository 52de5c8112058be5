"""Backpropagation by hand, written as matrix products."""

from typing import Any, Protocol

import torch
from torch import Tensor

from handgrad.activations import activation_of
from handgrad.losses import find_loss


class Network(Protocol):
    """The model attributes that backpropagation uses; the networks of the course project also have them."""

    L: int
    fc: Any  # fc[str(l)].weight [n_l, n_(l-1)] and fc[str(l)].bias [n_l]
    f: dict[int, Any]  # f[l](z[l]): the activation of layer l
    df: dict[int, Any]  # df[l](z[l]): its derivative
    z: dict[int, Tensor]  # z[l] = a[l-1] W_l^T + b_l, one row per sample
    a: dict[int, Tensor]  # a[l] = f_l(z[l]); a[0] is the input
    dL_dw: dict[int, Any]
    dL_db: dict[int, Any]


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

    where * is element-wise. The numbering follows Nielsen, Neural Networks and Deep Learning, chapter 2,
    where samples are columns; see also Goodfellow, Bengio and Courville, Deep Learning, section 6.5.

    Args:
        model: a network that has just computed `y_pred`; its attributes are those of `Network`.
        y_true: the targets, broadcastable to the shape of `y_pred`; for cross_entropy, class indices,
            int64 [batch].
        y_pred: the outputs a[L], [batch, n_L]; for cross_entropy, the logits.
        loss: squared_error, ((y_pred - y_true) ** 2).sum(); mse, its mean over samples and outputs; or
            cross_entropy, the mean over samples of -log softmax(y_pred)[y_true].
        verbose: print the operands and shapes of every product.

    Raises:
        ValueError: if the loss is unknown, a shape, dtype or class index is wrong, or the model's z and a are
            not those of the forward pass that computed `y_pred`.
    """
    checked_loss = find_loss(loss)
    weights = {layer: model.fc[str(layer)].weight for layer in range(1, model.L + 1)}
    z, a = _last_forward_pass(model, y_pred, outputs=weights[model.L].shape[0])
    y_true = checked_loss.checked(y_true, y_pred)

    dL_da = checked_loss.gradient(checked_loss.intermediate(a[model.L], y_true, None), y_true)
    for layer in range(model.L, 0, -1):
        dL_dz = activation_of(model.f[layer], model.df[layer]).backward(dL_da, z[layer], a[layer])
        if verbose:
            _print_products(layer, dL_dz, a[layer - 1], weights[layer])
        model.dL_dw[layer] = None  # so that its memory is reused
        model.dL_dw[layer] = weight_gradient(dL_dz, a[layer - 1], weights[layer])
        model.dL_db[layer] = dL_dz.sum(0)
        if layer > 1:
            dL_da = input_gradient(dL_dz, weights[layer], a[layer - 1])


def weight_gradient(dL_dz: Tensor, a: Tensor, weight: Tensor, out: Tensor | None = None) -> Tensor:
    """dL_dw = dL_dz^T a, [n_l, n_(l-1)].

    The order of the factors affects rounding. Like autograd, transpose the whole product if the weight is not
    stored in row-major order.
    """
    if weight.stride() == (weight.shape[1], 1):
        return torch.mm(dL_dz.T, a, out=out)
    return torch.mm(a.T, dL_dz, out=out if out is None else out.T).T


def input_gradient(dL_dz: Tensor, weight: Tensor, a: Tensor, out: Tensor | None = None) -> Tensor:
    """dL_da = dL_dz W, [batch, n_(l-1)].

    Like autograd, transpose the whole product if `a` is stored in column-major order, which includes a single
    value.
    """
    if a.stride() != (1, a.shape[0]):
        return torch.mm(dL_dz, weight, out=out)
    return torch.mm(weight.T, dL_dz.T, out=out if out is None else out.T).T


def _print_products(layer: int, dL_dz: Tensor, a: Tensor, weight: Tensor) -> None:
    """Print the operands and shapes of the products of one layer."""
    shape, shape_T = [*dL_dz.shape], [*dL_dz.T.shape]
    print(f"dL_dw[{layer}] = dL_dz[{layer}].T @ a[{layer - 1}]: {shape_T} @ {[*a.shape]}")
    print(f"dL_db[{layer}] = dL_dz[{layer}].sum(dim=0): {shape}")
    if layer > 1:
        print(f"dL_da[{layer - 1}] = dL_dz[{layer}] @ W[{layer}]: {shape} @ {[*weight.shape]}")


def _last_forward_pass(
    model: Network, y_pred: Tensor, outputs: int
) -> tuple[dict[int, Tensor], dict[int, Tensor]]:
    """z and a of the model's last forward pass, with all leading dimensions flattened into a batch dimension.

    Raises:
        TypeError: if `y_pred` is not a tensor.
        ValueError: if that forward pass did not compute `y_pred`.
    """
    if not isinstance(y_pred, Tensor):
        raise TypeError(f"y_pred is a {type(y_pred).__name__}; expected a torch.Tensor, the model's outputs")
    L = model.L
    if y_pred.shape[-1:] != (outputs,) or y_pred.numel() == 0:
        raise ValueError(
            f"y_pred has the shape {[*y_pred.shape]}; expected [batch, {outputs}], the model's outputs"
        )
    samples = y_pred.numel() // outputs
    a = {layer: _rows("a", layer, model.a.get(layer), samples) for layer in range(L)}
    z = {layer: _rows("z", layer, model.z.get(layer), samples) for layer in range(1, L + 1)}
    a[L] = _rows("a", L, y_pred, samples)
    output = model.a.get(L)  # some networks from the course do not store it
    if output is not None and not _is_same(a[L], output):
        raise ValueError(
            f"y_pred is not model.a[{L}], the output of the model's last forward pass; expected what "
            "model(x) has just returned, as the third argument, after y_true"
        )
    return z, a


def _rows(name: str, layer: int, value: Tensor | None, samples: int) -> Tensor:
    if value is None:
        raise ValueError(f"model.{name}[{layer}] is empty; expected a model that has run forward")
    rows = value if value.ndim == 2 else value.reshape(-1, value.shape[-1])
    if rows.shape[0] != samples:
        raise ValueError(
            f"model.{name}[{layer}] has the shape {[*value.shape]}; expected {samples} rows, of the forward "
            "pass that computed y_pred"
        )
    return rows


def _is_same(y_pred: Tensor, output: Tensor) -> bool:
    """Whether the two share memory or, as with a copy, have equal values."""
    if y_pred.data_ptr() == output.data_ptr() and y_pred.numel() == output.numel():
        return True
    if y_pred.dtype != output.dtype or y_pred.numel() != output.numel():
        return False
    return torch.allclose(y_pred, output.reshape(y_pred.shape), rtol=0, atol=0, equal_nan=True)
