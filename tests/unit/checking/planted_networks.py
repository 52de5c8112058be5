"""Three different correct networks, and every known mistake of the forward pass and of derivatives in each.

`<<name:text>>` in a source is `text` unless a mistake says otherwise. The activation `f` and its derivative
`df` are functions of z.
"""

import re

# Dictionaries, a loop over the layers, one module per layer.
MODULES = """
import math
import torch
import torch.nn as nn
import torch.nn.functional as F

class MyNet(nn.Module):
    def __init__(self, n_l=[2, 3, 2]):
        super().__init__()
        self.L = len(n_l) - 1
        self.n_l = n_l
        self.z, self.a = {}, {}
        self.dL_dw, self.dL_db = {}, {}
        self.f, self.df = {}, {}
        self.fc = nn.ModuleDict({})
        f = <<f:torch.tanh>>
        for l in range(1, self.L + 1):
            self.fc[str(l)] = nn.Linear(n_l[l - 1], n_l[l])
            self.f[l] = f
            self.df[l] = lambda z: <<df:1 - torch.tanh(z) ** 2>>

    def forward(self, x):
        self.a[0] = torch.flatten(x, 1)
        for l in range(1, self.L + 1):
            zl = <<z:self.fc[str(l)](self.a[l - 1])>>
            al = <<a:self.f[l](zl)>>
            <<keep:self.z[l], self.a[l] = zl, al>>
        return self.a[self.L]
"""

# Lists, matrix products written out, an activation with methods.
PRODUCTS = """
import math
import torch

class Activation:
    def __init__(self, function):
        self.function = function

    def __call__(self, z):
        return self.function(z)

    def slope(self, z):
        f = self.function
        return <<df:1.0 - f(z) * f(z)>>

class MyNet(torch.nn.Module):
    def __init__(self, widths: list[int]) -> None:
        torch.nn.Module.__init__(self)
        layers = [torch.nn.Linear(n, m) for n, m in zip(widths, widths[1:])]
        self.L = depth = len(layers)
        self.fc = torch.nn.ModuleDict({f"{i}": layer for i, layer in enumerate(layers, start=1)})
        activations = [None] + [Activation(<<f:lambda z: z.tanh()>>) for _ in layers]
        self.f = activations
        self.df = [None] + [activation.slope for activation in activations[1:]]
        self.z = [None] * (depth + 1)
        self.a = [None] * (depth + 1)

    def forward(self, inputs):
        rows = inputs.reshape(len(inputs), -1)
        self.a[0] = h = rows
        for i, layer in self.fc.items():
            i = int(i)
            W, b = layer.weight, layer.bias
            z = <<z:h @ W.t() + b>>
            new = <<a:self.f[i](z)>>
            <<keep:self.z[i] = z; self.a[i] = new>>
            h = new
        return h
"""

# A recursion with einsum, and tables of named functions.
RECURSIVE = """
import math
from torch import nn, einsum
import torch

def activation(z):
    return <<f:2 / (1 + torch.exp(-2 * z)) - 1>>

def derivative(z):
    return <<df:1 / torch.cosh(z).square()>>

class MyNet(nn.Module):
    def __init__(self, n_l):
        super(MyNet, self).__init__()
        self.L = len(n_l) - 1
        numbers = range(1, len(n_l))
        self.fc = nn.ModuleDict([(str(k), nn.Linear(n_l[k - 1], n_l[k], bias=True)) for k in numbers])
        self.f = dict.fromkeys(numbers, activation)
        self.df = dict.fromkeys(numbers, derivative)
        self.z = {}
        self.a = {}

    def layer(self, k, below):
        if k > self.L:
            return below
        w, b = self.fc[str(k)].weight, self.fc[str(k)].bias
        s = <<z:einsum("bi,oi->bo", below, w).add(b)>>
        o = <<a:activation(s)>>
        <<keep:self.z.update({k: s}); self.a.update({k: o})>>
        return self.layer(k + 1, o)

    def forward(self, x):
        self.a = {0: x.view(x.shape[0], -1)}
        return self.layer(1, self.a[0])
"""

SOURCES = {"modules": MODULES, "products": PRODUCTS, "recursive": RECURSIVE}

FORWARD = {
    "bias missing in the forward pass": (
        "z=self.a[l - 1] @ self.fc[str(l)].weight.T",
        "z=h @ W.t()",
        'z=einsum("bi,oi->bo", below, w)',
    ),
    "weights transposed in the forward pass": (
        "z=F.linear(self.a[l - 1], self.fc[str(l)].weight.T, self.fc[str(l)].bias)",
        "z=h @ W + b",
        'z=einsum("bi,io->bo", below, w).add(b)',
    ),
    "z remembered after the activation": (
        "keep=self.z[l], self.a[l] = al, al",
        "keep=self.z[i] = new; self.a[i] = new",
        "keep=self.z[k] = self.a[k] = o",
    ),
    "network input used in every layer": (
        "z=self.fc[str(l)](self.a[0])",
        "z=rows @ W.t() + b",
        'z=einsum("bi,oi->bo", self.a[0], w).add(b)',
    ),
    "z of the previous batch remembered": (
        "keep=self.z.setdefault(l, zl); self.a[l] = al",
        "keep=self.z[i] = z if self.z[i] is None else self.z[i]; self.a[i] = new",
        "keep=self.z = {k: s} | self.z; self.a[k] = o",
    ),
    "z and a of the previous batch remembered": (
        "keep=self.z.setdefault(l, zl); self.a.setdefault(l, al)",
        "keep=self.z[i] = z if self.z[i] is None else self.z[i]; self.a[i] = self.f[i](self.z[i])",
        "keep=self.z = {k: s} | self.z; self.a[k] = activation(self.z[k])",
    ),
    "a remembered before the activation": (
        "a=zl",
        "keep=self.z[i] = self.a[i] = z; new = z",
        "keep=self.z[k] = self.a[k] = s; o = s",
    ),
    "activation missing on the last layer": (
        "a=self.f[l](zl) if l < self.L else zl",
        "a=z if i == self.L else self.f[i](z)",
        "a=s if k == self.L else activation(s)",
    ),
    "activation applied twice": (
        "a=self.f[l](torch.tanh(zl))",
        "a=self.f[i](self.f[i](z))",
        "a=activation(activation(s))",
    ),
    "derivative instead of the activation": (
        "a=self.df[l](zl)",
        "a=self.f[i].slope(z)",
        "a=derivative(s)",
    ),
}

_SIGMOID = ("f=torch.sigmoid;", "f=lambda z: 1 / (1 + (-z).exp());", "f=1 / (1 + torch.exp(-z));")
_RELU = ("f=F.relu;", "f=lambda z: z.clamp(min=0);", "f=torch.maximum(z, torch.zeros_like(z));")
_LEAKY = (
    "f=nn.LeakyReLU(0.1);",
    "f=lambda z: torch.where(z > 0, z, 0.01 * z);",
    "f=z.clamp(min=0) + 0.2 * z.clamp(max=0);",
)
_GELU = (
    "f=F.gelu;",
    "f=lambda z: z / 2 * (1 + torch.erf(z / math.sqrt(2)));",
    "f=z * torch.special.ndtr(z);",
)


def _of(activation, *texts):
    return tuple(f"{f}df={df}" for f, df in zip(activation, texts, strict=True))


_TANH = ("", "", "")

# With another activation than tanh where the mistake is one of that activation.
DERIVATIVES = {
    "derivative without its square, or only the second factor": _of(
        _TANH, "1 - torch.tanh(z)", "1.0 - f(z)", "1 - activation(z)"
    ),
    "activation for its derivative, or only the first factor": _of(
        _SIGMOID, "torch.sigmoid(z)", "f(z)", "activation(z)"
    ),
    "derivative as if z were a": _of(_TANH, "1 - z ** 2", "1.0 - z * z", "(1 - z) * (1 + z)"),
    "derivative of the sigmoid as if z were a": _of(
        _SIGMOID, "z * (1 - z)", "z - z ** 2", "torch.mul(z, 1 - z)"
    ),
    "activation applied before the derivative": _of(
        _TANH,
        "1 - torch.tanh(torch.tanh(z)) ** 2",
        "1.0 - f(f(z)) ** 2",
        "1 / torch.cosh(activation(z)).square()",
    ),
    "square missing in 1 / cosh(z)^2": _of(
        _TANH, "1 / torch.cosh(z)", "z.cosh().reciprocal()", "2 / (z.exp() + (-z).exp())"
    ),
    "cosh(z)^2 not inverted": _of(_TANH, "torch.cosh(z) ** 2", "1 + z.sinh() ** 2", "torch.cosh(z).square()"),
    "square of the activation": _of(_TANH, "torch.tanh(z) ** 2", "f(z) * f(z)", "activation(z).square()"),
    "plus for minus in 1 - f(z)^2": _of(
        _TANH, "1 + torch.tanh(z) ** 2", "1.0 + f(z) * f(z)", "1 + activation(z).square()"
    ),
    "relu active on the wrong side": _of(
        _RELU, "(z < 0).to(z.dtype)", "torch.where(z > 0, 0.0, 1.0)", "1 - torch.heaviside(z, z * 0)"
    ),
    "slope below zero missing": _of(
        _LEAKY, "(z > 0).double()", "torch.where(z > 0, 1.0, 0.0)", "torch.heaviside(z, z * 0)"
    ),
    "derivative of tanh": _of(
        _SIGMOID, "1 - torch.tanh(z) ** 2", "1 - z.tanh().square()", "1 / torch.cosh(z).square()"
    ),
    "tanh for the derivative": _of(_SIGMOID, "torch.tanh(z)", "z.tanh()", "torch.sinh(z) / torch.cosh(z)"),
    "derivative 1": _of(_TANH, "torch.ones_like(z)", "1 + 0 * z", "z / z"),
    "z for the derivative": _of(_TANH, "z", "1.0 * z", "z.clone()"),
    "derivative with the opposite sign": _of(
        _TANH, "torch.tanh(z) ** 2 - 1", "-(1.0 - f(z) * f(z))", "-1 / torch.cosh(z).square()"
    ),
    "derivative doubled": _of(
        _SIGMOID,
        "2 * torch.sigmoid(z) * (1 - torch.sigmoid(z))",
        "2 * (f(z) - f(z) ** 2)",
        "activation(z) * (1 - activation(z)) / 0.5",
    ),
    "derivative squared": _of(
        _TANH, "(1 - torch.tanh(z) ** 2) ** 2", "(1.0 - f(z) * f(z)) ** 2", "torch.cosh(z) ** -4"
    ),
    "product rule missing": _of(
        _GELU, "torch.special.ndtr(z)", "(1 + torch.erf(z / math.sqrt(2))) / 2", "torch.special.ndtr(z)"
    ),
    "density of another deviation": _of(
        _GELU,
        "torch.special.ndtr(z) + z * torch.exp(-z ** 2) / math.sqrt(2 * math.pi)",
        "f(z) / z + z * (-z * z).exp() / (2 * math.pi) ** 0.5",
        "activation(z) / z + z * torch.exp(-z.square()) / math.sqrt(2 * math.pi)",
    ),
}
MISTAKES = FORWARD | DERIVATIVES

# Correct changes: another activation with its derivative.
CORRECT = {
    "tanh": _TANH,
    "sigmoid": _of(
        _SIGMOID,
        "torch.sigmoid(z) * (1 - torch.sigmoid(z))",
        "f(z) * (1.0 - f(z))",
        "1 / (2 + torch.exp(z) + torch.exp(-z))",
    ),
    "relu": _of(_RELU, "(z > 0).float()", "torch.where(z > 0, 1.0, 0.0)", "torch.heaviside(z, z * 0)"),
    "leaky_relu": _of(
        _LEAKY, "torch.where(z > 0, 1.0, 0.1)", "0.01 + 0.99 * (z > 0)", "(z > 0) + 0.2 * (z <= 0)"
    ),
    "gelu": _of(
        _GELU,
        "torch.special.ndtr(z) + z * torch.exp(-z ** 2 / 2) / math.sqrt(2 * math.pi)",
        "(1 + torch.erf(z / 2 ** 0.5)) / 2 + z * (-z * z / 2).exp() / (2 * math.pi) ** 0.5",
        "torch.special.ndtr(z) + z * torch.exp(torch.distributions.Normal(0.0, 1.0).log_prob(z))",
    ),
}


def planted(source: str, changes: str = ""):
    """The class `MyNet` defined by a source with changes such as "z=h @ W;df=z"."""
    texts = dict(change.split("=", 1) for change in re.split(r";(?=[a-z]+=)", changes)) if changes else {}

    def chosen(match):
        return texts.pop(match[1], match[2])

    text = re.sub(r"<<(\w+):(.*?)>>", chosen, source)
    assert not texts, f"no place for {texts}"
    scope: dict = {"__name__": "submission"}
    exec(compile(text, "submission.py", "exec"), scope)
    return scope["MyNet"]
