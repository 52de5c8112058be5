"""Forward pass and backpropagation in memory that is taken once: the variant for training loops."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from handgrad import activations
from handgrad.activations import LEAKY_SLOPE, SOFTPLUS_THRESHOLD
from handgrad.networks import MyNet

kernels = torch.ops.aten
NO_CLASS = -(2**63)  # nll_loss leaves out the samples of one class: by default -100


class InPlace(NamedTuple):
    """An activation in one pass over given memory, by PyTorch's element-wise kernels: autograd's bits."""

    write_a: Callable[[Tensor, Tensor], Tensor]  # of z and a: writes f(z) to a
    multiply: Callable[[Tensor, Tensor, Tensor], Tensor]  # of dL_da, z and a: multiplies dL_da by f'(z)
    needs_z: bool = False  # else a may take the place of z


IN_PLACE: dict[Callable[[Tensor], Tensor], InPlace] = {
    activations.tanh: InPlace(
        lambda z, a: torch.tanh(z, out=a),
        lambda dL_da, z, a: kernels.tanh_backward.grad_input(dL_da, a, grad_input=dL_da),
    ),
    activations.relu: InPlace(
        lambda z, a: torch.clamp_min(z, 0, out=a),
        lambda dL_da, z, a: kernels.threshold_backward.grad_input(dL_da, a, 0, grad_input=dL_da),
    ),
    activations.leaky_relu: InPlace(
        lambda z, a: kernels.leaky_relu.out(z, LEAKY_SLOPE, out=a),
        lambda dL_da, z, a: kernels.leaky_relu_backward.grad_input(
            dL_da, a, LEAKY_SLOPE, self_is_result=True, grad_input=dL_da
        ),
    ),
    activations.sigmoid: InPlace(
        lambda z, a: torch.sigmoid(z, out=a),
        lambda dL_da, z, a: kernels.sigmoid_backward.grad_input(dL_da, a, grad_input=dL_da),
    ),
    activations.identity: InPlace(lambda z, a: a, lambda dL_da, z, a: dL_da),
    activations.softplus: InPlace(
        lambda z, a: kernels.softplus.out(z, 1, SOFTPLUS_THRESHOLD, out=a),
        lambda dL_da, z, a: kernels.softplus_backward.grad_input(
            dL_da, z, 1, SOFTPLUS_THRESHOLD, grad_input=dL_da
        ),
        needs_z=True,
    ),
    activations.gelu: InPlace(
        lambda z, a: kernels.gelu.out(z, out=a),
        lambda dL_da, z, a: kernels.gelu_backward.grad_input(dL_da, z, grad_input=dL_da),
        needs_z=True,
    ),
}


@dataclass(slots=True)
class _Layer:
    """A layer's parameters and gradients, and the memory of its values."""

    weight: Tensor
    bias: Tensor
    activation: InPlace
    dL_dw: Tensor
    dL_db: Tensor
    z: Tensor
    a: Tensor
    dL_dz: Tensor  # until `backward` multiplies it by f'(z), dL_da
    below: Tensor = field(init=False)
    weight_T: Tensor = field(init=False)
    dL_dz_T: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.weight_T, self.dL_dz_T = self.weight.T, self.dL_dz.T

    def first_rows(self, samples: int) -> "_Layer":
        """The same layer, with the first rows of the memory of its values."""
        return replace(self, z=self.z[:samples], a=self.a[:samples], dL_dz=self.dL_dz[:samples])

    def forward(self, below: Tensor) -> Tensor:
        """a, from the a of the layer below."""
        self.below = below
        torch.addmm(self.bias, below, self.weight_T, out=self.z)
        self.activation.write_a(self.z, self.a)
        return self.a

    def backward(self) -> None:
        """dL_dz, dL_dw and dL_db, from the dL_da that lies in dL_dz."""
        self.activation.multiply(self.dL_dz, self.z, self.a)
        torch.mm(self.dL_dz_T, self.below, out=self.dL_dw)
        torch.sum(self.dL_dz, 0, out=self.dL_db)


class _Batch:
    """The memory for batches of one size."""

    def __init__(self, layers: list[_Layer], samples: int) -> None:
        self.layers = [layer.first_rows(samples) for layer in layers]
        self.downwards = list(zip(self.layers[:0:-1], self.layers[-2::-1], strict=True))
        self.y_pred, self.dL_dy = self.layers[-1].a, self.layers[-1].dL_dz
        self.log_probabilities = torch.empty_like(self.y_pred)
        self.dL_dlog_probabilities = torch.empty_like(self.y_pred)
        self.minus_share = self.y_pred.new_full((samples, 1), -1 / samples)


class Loss(NamedTuple):
    """The value of a loss, then its gradient with respect to the outputs, written to the last dL_dz."""

    value: Callable[[_Batch, Tensor], Tensor]
    write_gradient: Callable[[_Batch, Tensor], object]


def _cross_entropy(batch: _Batch, y_true: Tensor) -> Tensor:
    samples, classes = batch.y_pred.shape
    torch.log_softmax(batch.y_pred, 1, out=batch.log_probabilities)
    try:
        if y_true.dtype != torch.int64:
            raise ValueError(f"of type {y_true.dtype}")
        return functional.nll_loss(batch.log_probabilities, y_true, ignore_index=NO_CLASS)
    except (IndexError, RuntimeError, ValueError) as error:
        raise ValueError(
            f"y_true: {error}; expected {samples} class indices from 0 to {classes - 1}, torch.int64"
        ) from error


def _write_cross_entropy_gradient(batch: _Batch, y_true: Tensor) -> None:
    gradient = batch.dL_dlog_probabilities
    gradient.zero_().scatter_(1, y_true.unsqueeze(1), batch.minus_share)
    torch._log_softmax_backward_data(gradient, batch.log_probabilities, 1, gradient.dtype, out=batch.dL_dy)


def _squares(batch: _Batch, y_true: Tensor) -> Tensor:
    if y_true.shape != batch.y_pred.shape:
        raise ValueError(f"y_true has the shape {[*y_true.shape]}; expected {[*batch.y_pred.shape]}")
    return torch.sub(batch.y_pred, y_true, out=batch.dL_dy) ** 2


LOSSES = {
    "squared_error": Loss(
        lambda batch, y_true: _squares(batch, y_true).sum(),
        lambda batch, y_true: batch.dL_dy.mul_(2),
    ),
    "mse": Loss(
        lambda batch, y_true: _squares(batch, y_true).mean(),
        lambda batch, y_true: batch.dL_dy.mul_(2 / batch.dL_dy.numel()),
    ),
    "cross_entropy": Loss(_cross_entropy, _write_cross_entropy_gradient),
}


class Buffers:
    """The memory of a model's forward and backward pass for batches of up to `batch_size` samples.

    The algorithm is that of `backpropagation`; only where the results lie differs: each operation writes into
    memory of its own or over its operand, so that a step takes no new pages. On the CPU the outputs, the loss
    and the gradients are autograd's to the bit.

    The parameters are read where they lie: an update must write into them, as `parameter.add_(...)` does, and
    after `model.to(...)` new buffers are needed.

    Attributes:
        gradients: dL_dw[1], dL_db[1], dL_dw[2], ...: in the order, the shapes and the memory layout of
            model.parameters(). Every backward overwrites them.
    """

    def __init__(self, model: MyNet, batch_size: int) -> None:
        """Take the memory, of the model's dtype and on its device.

        Raises:
            ValueError: if an activation is not one of handgrad.activations.
        """
        self._batch_size = batch_size
        self._layers = [_new_layer(model, number, batch_size) for number in range(1, model.L + 1)]
        self.gradients = [gradient for layer in self._layers for gradient in (layer.dL_dw, layer.dL_db)]
        self._batches: dict[int, _Batch] = {}
        self._batch: _Batch | None = None

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs, [batch, n_L], for inputs [batch, ...]; the next forward overwrites them.

        Raises:
            ValueError: if there are no samples or more than `batch_size`.
        """
        samples = len(inputs)
        if samples not in self._batches:
            if not 1 <= samples <= self._batch_size:
                raise ValueError(
                    f"{samples} samples; expected 1 to {self._batch_size}, the buffers' batch size"
                )
            self._batches[samples] = _Batch(self._layers, samples)
        self._batch = self._batches[samples]
        a = inputs.flatten(1)
        for layer in self._batch.layers:
            a = layer.forward(a)
        return a

    def backward(self, y_true: Tensor, loss: str = "cross_entropy") -> Tensor:
        """Fill `gradients` for the last forward pass; return its loss, a scalar.

        `y_true` and `loss` are those of `backpropagation`.

        Raises:
            ValueError: if nothing has run forward, the loss is unknown, or `y_true` does not fit.
        """
        value = self.evaluate(y_true, loss)
        self.propagate(y_true, loss)
        return value

    def evaluate(self, y_true: Tensor, loss: str) -> Tensor:
        """The first half of `backward`: the loss."""
        if loss not in LOSSES:
            raise ValueError(f"no loss is named {loss!r}; expected one of {', '.join(LOSSES)}")
        return LOSSES[loss].value(self._last_batch(), y_true)

    def propagate(self, y_true: Tensor, loss: str) -> None:
        """The second half of `backward`: the gradients of the loss that `evaluate` has just given."""
        batch = self._last_batch()
        LOSSES[loss].write_gradient(batch, y_true)
        for layer, below in batch.downwards:
            layer.backward()
            torch.mm(layer.dL_dz, layer.weight, out=below.dL_dz)
        batch.layers[0].backward()

    def _last_batch(self) -> _Batch:
        if self._batch is None:
            raise ValueError("no forward pass has been run; expected one before the loss")
        return self._batch


def _new_layer(model: MyNet, number: int, batch_size: int) -> _Layer:
    weight, bias = (parameter.detach() for parameter in model.fc[str(number)].parameters())
    if model.f[number] not in IN_PLACE:
        raise ValueError(
            f"the activation of layer {number} is {model.f[number]}; expected one of handgrad.activations"
        )
    activation = IN_PLACE[model.f[number]]
    z, dL_dz = weight.new_empty(2, batch_size, len(bias))
    a = torch.empty_like(z) if activation.needs_z else z
    return _Layer(weight, bias, activation, torch.empty_like(weight), torch.empty_like(bias), z, a, dL_dz)
