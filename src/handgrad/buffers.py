"""Forward pass and backpropagation in preallocated memory, for training loops."""

from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from handgrad.activations import Activation, activation_of
from handgrad.backprop import input_gradient, weight_gradient
from handgrad.losses import find_loss
from handgrad.networks import MyNet


class Buffers:
    """Preallocated memory for a model's forward and backward pass on batches of up to `batch_size` samples.

    The algorithm is the same as in `backpropagation`, but each operation writes to a preallocated tensor or
    overwrites its operand, so a training step allocates no pages. (An activation without an in-place form
    still allocates its results.) On the CPU, the outputs, the loss and the gradients are bit-identical to
    autograd's.

    The buffers refer to the model's parameters without copying them: updates must be in place, as in
    `parameter.add_(...)`, and `model.to(...)` requires new buffers.

    Attributes:
        gradients: dL_dw[1], dL_db[1], dL_dw[2], ..., with the order, shapes and memory layout of
            model.parameters(). Every backward pass overwrites them.
    """

    def __init__(self, model: MyNet, batch_size: int) -> None:
        """Allocate the memory with the model's dtype and on its device."""
        self._batch_size = batch_size
        scratch = next(model.parameters()).detach().new_empty(batch_size * max(model.n_l[1:]))
        self._layers = [_new_layer(model, number, batch_size, scratch) for number in range(1, model.L + 1)]
        self._batches: dict[int, list[_Layer]] = {}
        self._batch: list[_Layer] = []
        self.gradients = [gradient for layer in self._layers for gradient in (layer.dL_dw, layer.dL_db)]

    def forward(self, inputs: Tensor) -> Tensor:
        """The outputs, [batch, n_L], for inputs [batch, ...]; the next forward pass overwrites them.

        Raises:
            ValueError: if there are no samples, or more than `batch_size`.
        """
        samples = len(inputs)
        if samples not in self._batches:
            if not 1 <= samples <= self._batch_size:
                raise ValueError(
                    f"{samples} samples; expected 1 to {self._batch_size}, the buffers' batch size"
                )
            self._batches[samples] = [layer.first_rows(samples) for layer in self._layers]
        self._batch = self._batches[samples]
        a = inputs.flatten(1)
        for layer in self._batch:
            a = layer.forward(a)
        return a

    def backward(self, y_true: Tensor, loss: str = "cross_entropy") -> Tensor:
        """Fill `gradients` for the last forward pass; return its loss, a scalar.

        `y_true` and `loss` are as in `backpropagation`.

        Raises:
            ValueError: if there was no forward pass, the loss is unknown, or `y_true` does not match.
        """
        value = self.evaluate(y_true, loss)
        self.propagate(y_true, loss)
        return value

    def evaluate(self, y_true: Tensor, loss: str) -> Tensor:
        """The first half of `backward`: the loss."""
        the_loss = find_loss(loss)
        if not self._batch:
            raise ValueError("no forward pass has been run; expected one before the loss")
        last = self._batch[-1]
        y_true = the_loss.checked(y_true, last.a)
        return the_loss.value(the_loss.intermediate(last.a, y_true, last.dL_dz), y_true)

    def propagate(self, y_true: Tensor, loss: str) -> None:
        """The second half of `backward`: the gradients of the loss that `evaluate` just returned."""
        last = self._batch[-1]
        find_loss(loss).gradient(last.dL_dz, y_true)
        for layer, below in zip(self._batch[:0:-1], self._batch[-2::-1], strict=True):
            layer.backward()
            input_gradient(layer.dL_dz, layer.weight, below.a, out=below.dL_dz)
        self._batch[0].backward()


@dataclass(slots=True)
class _Layer:
    """A layer's parameters and gradients, and the memory for its values.

    Each tensor is allocated separately. The rounding of a matrix product depends on the alignment of its
    operands; autograd's operands are aligned, like everything that PyTorch allocates.
    """

    weight: Tensor
    bias: Tensor
    activation: Activation
    dL_dw: Tensor
    dL_db: Tensor
    z: Tensor  # overwritten by a, if the activation has an in-place form
    dL_dz: Tensor  # holds dL_da until `backward` multiplies it by f'(z)
    scratch: Tensor
    a: Tensor = field(init=False)
    below: Tensor = field(init=False)  # a of the layer below
    weight_T: Tensor = field(init=False)

    def __post_init__(self) -> None:
        self.weight_T = self.weight.T

    def first_rows(self, samples: int) -> "_Layer":
        """The same layer, using only the first rows of the memory for its values."""
        rows = {name: getattr(self, name)[:samples] for name in ("z", "dL_dz", "scratch")}
        return replace(self, **rows)

    def forward(self, below: Tensor) -> Tensor:
        self.below = below
        torch.addmm(self.bias, below, self.weight_T, out=self.z)
        self.a = (self.activation.in_place or self.activation.f)(self.z)
        return self.a

    def backward(self) -> None:
        """Compute dL_dz, dL_dw and dL_db; on entry, dL_dz holds dL_da."""
        self.activation.backward(self.dL_dz, self.z, self.a, self.scratch)
        weight_gradient(self.dL_dz, self.below, self.weight, out=self.dL_dw)
        torch.sum(self.dL_dz, 0, out=self.dL_db)


def _new_layer(model: MyNet, number: int, batch_size: int, scratch: Tensor) -> _Layer:
    weight, bias = (parameter.detach() for parameter in model.fc[str(number)].parameters())
    z, dL_dz = (weight.new_empty(batch_size, len(bias)) for _ in range(2))
    return _Layer(
        weight,
        bias,
        activation_of(model.f[number], model.df[number]),
        dL_dw=torch.empty_like(weight),
        dL_db=torch.empty_like(bias),
        z=z,
        dL_dz=dL_dz,
        scratch=scratch[: z.numel()].view_as(z),
    )
