"""Fully connected networks that store what backpropagation needs: z and a of every layer."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from handgrad.activations import ACTIVATIONS


class MyNet(nn.Module):
    """A fully connected network: z_l = a_(l-1) W_l^T + b_l and a_l = f_l(z_l) for l = 1..L, with input a_0.

    The activation is applied to every layer, including the last. Weights are initialised by `nn.Linear`,
    which uses torch's global generator.

    Attributes:
        L: the number of layers.
        n_l: the widths [n_0, ..., n_L]: inputs, hidden layers, outputs.
        fc: the layers, `nn.Linear` modules with the keys "1" to "L".
        f, df: for each layer, the activation and its derivative, both functions of z.
        z, a: for each layer, the detached [batch, n_l] values of the last forward pass; a[0] is the flattened
            input.
        dL_dw, dL_db: for each layer, the gradients that `backpropagation` fills in.
    """

    def __init__(self, n_l: Sequence[int], activation: str | Sequence[str] = "tanh") -> None:
        """Create a network of widths `n_l`, with one activation name for all layers or one per layer.

        Raises:
            ValueError: if there are fewer than two widths, a width is below 1, an activation is unknown, or
                the number of activations is not the number of layers.
        """
        super().__init__()
        self.n_l = list(n_l)
        self.L = len(self.n_l) - 1
        if self.L < 1 or min(self.n_l) < 1:
            raise ValueError(f"n_l is {self.n_l}; expected at least two widths, each at least 1")
        names = [activation] * self.L if isinstance(activation, str) else list(activation)
        if len(names) != self.L:
            raise ValueError(
                f"{len(names)} activations for {self.L} layers; expected one for all or one each"
            )
        if unknown := [name for name in names if name not in ACTIVATIONS]:
            raise ValueError(
                f"no activation is named {unknown[0]!r}; expected one of {', '.join(ACTIVATIONS)}"
            )

        layers = range(1, self.L + 1)
        widths = zip(layers, self.n_l[:-1], self.n_l[1:], strict=True)
        self.fc = nn.ModuleDict({str(layer): nn.Linear(below, width) for layer, below, width in widths})
        self.f = {layer: ACTIVATIONS[names[layer - 1]].f for layer in layers}
        self.df = {layer: ACTIVATIONS[names[layer - 1]].df for layer in layers}
        self.z: dict[int, Tensor] = {}
        self.a: dict[int, Tensor] = {}
        self.dL_dw: dict[int, Tensor] = {}
        self.dL_db: dict[int, Tensor] = {}

    def forward(self, x: Tensor) -> Tensor:
        """The outputs a_L, [batch, n_L], for inputs [batch, ...] with n_0 values each."""
        a = torch.flatten(x, start_dim=1)
        self.a[0] = a.detach()
        for layer in range(1, self.L + 1):
            z = self.fc[str(layer)](a)
            a = self.f[layer](z)
            # Detached: with its graph, an activation would keep the memory of the whole forward pass alive.
            self.z[layer], self.a[layer] = z.detach(), a.detach()
        return a


class MyMLP(MyNet):
    """The classifier used in the experiments: `activation` on the hidden layers, logits from the last."""

    def __init__(
        self,
        n_inputs: int = 3072,
        hidden: Sequence[int] = (512, 128, 32),
        n_classes: int = 2,
        activation: str = "relu",
    ) -> None:
        super().__init__([n_inputs, *hidden, n_classes], [activation] * len(hidden) + ["identity"])
