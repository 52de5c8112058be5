# ruff: noqa: E501
"""Three different correct manual updates, and every known mistake expressed in each of them."""

import re

# Lists of tensors, in place, under no_grad.
LISTS = """
import torch

def train_manual_update(n_epochs, lr, model, loss_fn, train_loader, val_loader=None, weight_decay=0, momentum=0):
    <<start:params = list(model.parameters()); velocities = [None] * len(params)>>
    for epoch in range(n_epochs):
        <<epoch:pass>>
        for number, (inputs, labels) in enumerate(train_loader):
            <<zero:model.zero_grad()>>
            <<early:pass>>
            loss = loss_fn(model(inputs), labels)
            loss.backward()
            last = number == len(train_loader) - 1
            if not (<<when:True>>):
                continue
            with torch.no_grad():
                for i, p in enumerate(params):
                    grad = p.grad
                    if not (<<only:True>>):
                        continue
                    g = <<g:grad>> + <<decay:weight_decay * p>>
                    old = velocities[i]
                    v = <<first:g>> if old is None else <<next:momentum * old + g>>
                    velocities[i] = <<store:v>>
                    <<step:p -= lr * v>>
"""

# Dictionaries by name, all access through .data, the learning rate included in the velocity.
NAMES = """
import torch

def train_manual_update(epochs, learning_rate, wd, mu, net, criterion, loader):
    <<start:store = {}>>
    for e in range(1, epochs + 1):
        net.train()
        <<epoch:pass>>
        count = 0
        for x, y in loader:
            count += 1
            criterion(net(x), y).backward()
            <<early:pass>>
            if <<when:True>>:
                for name, w in net.named_parameters():
                    dw = w.grad.data
                    d = <<g:dw>> + <<decay:wd * w.data>>
                    step = <<next:mu * store[name] + learning_rate * d>> if name in store else <<first:learning_rate * d>>
                    store[name] = <<store:step>>
                    if <<only:True>>:
                        <<step:w.data = w.data - step>>
            <<zero:net.zero_grad(set_to_none=False)>>
"""

# One flat vector of all the parameters and torch.autograd.grad, in a closure.
FLAT = """
import torch
from torch.nn.utils import parameters_to_vector as flat, vector_to_parameters as unflat

def train_manual_update(model, train_dl, loss_fn, n_epochs, lr, momentum=0.0, weight_decay=0.0):
    ps = list(model.parameters())
    is_bias = torch.cat([torch.full((p.numel(),), p.ndim == 1) for p in ps])
    tail = torch.zeros_like(is_bias); tail[-ps[-1].numel() - ps[-2].numel():] = True
    <<start:state = {"v": None}>>

    def advance(x, y, number):
        grads = torch.autograd.grad(loss_fn(model(x), y), ps)
        raw = torch.cat([part.reshape(-1) for part in grads])
        theta = flat(ps).detach()
        <<early:pass>>
        if not (<<when:True>>):
            return
        g = (<<g:raw>>).add(<<decay:theta * weight_decay>>)
        v = <<first:g.clone()>> if state["v"] is None else <<next:state["v"].mul(momentum).add(g)>>
        moved = <<step:theta - lr * v>>
        state["v"] = <<store:v>>
        unflat(<<only:moved>>, ps)

    for epoch in range(n_epochs):
        <<epoch:pass>>
        for number, (x, y) in enumerate(train_dl):
            advance(x, y, number)
"""

# Correct implementations in other styles, without planted mistakes.
DOWNHILL = """
import torch

def train_manual_update(n_epochs, lr, model, criterion, loader, momentum=0.0, weight_decay=0.0):
    ps = list(model.parameters())
    vs = [torch.zeros_like(p) for p in ps]
    for _ in range(n_epochs):
        for x, y in loader:
            loss = criterion(model(x), y)
            <<backward:pass>>
            grads = <<grads:torch.autograd.grad(loss, ps)>>
            with torch.no_grad():
                for i, (p, dp) in enumerate(zip(ps, grads)):
                    g, v = <<g:dp + weight_decay * p>>, vs[i]
                    vs[i] = v = <<v:momentum * v - lr * g>>
                    <<step:p += v>>
"""
FOREACH = """
import torch

def update(ps, vs, lr, mu, wd):
    gs = <<g:[p.grad + wd * p for p in ps]>>
    <<v:torch._foreach_mul_(vs, mu); torch._foreach_add_(vs, gs)>>
    <<step:torch._foreach_add_(ps, vs, alpha=-lr)>>

def train_manual_update(model, train_loader, loss_fn, num_epochs, lr=0.1, mu=0.0, wd=0.0):
    ps = [*model.parameters()]
    vs = [torch.zeros_like(p, requires_grad=False) for p in ps]
    batches = ((x, y) for _ in range(num_epochs) for x, y in train_loader)
    for x, y in batches:
        <<zero:model.zero_grad()>>
        loss_fn(model(x), y).backward()
        torch.no_grad()(update)(ps, vs, lr, mu, wd)
"""
LAYERS = """
import torch
from dataclasses import dataclass, field

@dataclass
class Descent:
    eta: float
    beta: float
    vw: dict = field(default_factory=dict)
    vb: dict = field(default_factory=dict)

    @torch.no_grad()
    def __call__(self, net, l2):
        for key in reversed(list(net.fc)):
            lin = net.fc[key]
            gw, gb = <<gw:lin.weight.grad + l2 * lin.weight>>, <<gb:lin.bias.grad + l2 * lin.bias>>
            self.vw[key], self.vb[key] = <<vw:self.beta * self.vw.get(key, 0) + gw>>, <<vb:self.beta * self.vb.get(key, 0) + gb>>
            <<step:lin.weight -= self.eta * self.vw[key]; lin.bias -= self.eta * self.vb[key]>>

def train_manual_update(net, data, cost, epochs, *, eta, beta=0.0, l2=0.0):
    descent = Descent(eta, beta)
    for _ in range(epochs):
        for inputs, targets in data:
            for p in net.parameters():
                p.grad = None
            cost(net(inputs), targets).backward()
            descent(net, l2)
"""
OTHERS = {"downhill": DOWNHILL, "foreach": FOREACH, "layers": LAYERS}

SOURCES = {"lists": LISTS, "names": NAMES, "flat": FLAT}
_START = "start=params = list(model.parameters()); velocities = [None] * len(params); memory = {}"
_NAMES_START = "start=store = {}; memory = {}"
_FLAT_START = 'start=state = {"v": None, "sum": 0, "raw": 0, "g": 0}'

# Mistake: the changes to the versions with lists, names and a flat vector; None where it cannot occur.
MISTAKES = {
    "gradient not zeroed": (
        "zero=pass",
        "zero=pass",
        _FLAT_START + ';early=raw = state["sum"] = state["sum"] + raw',
    ),
    "gradient not zeroed, weight decay added to it in place": (
        "zero=pass;g=grad.add_(weight_decay * p);decay=0",
        "zero=pass;g=dw.add_(wd * w.data);decay=0",
        _FLAT_START + ';g=raw + state["g"];store=v; state["g"] = g',
    ),
    "gradient zeroed once an epoch": (
        "zero=model.zero_grad() if number == 0 else None",
        "epoch=net.zero_grad();zero=pass",
        _FLAT_START + ';early=raw = state["sum"] = raw if number == 0 else state["sum"] + raw',
    ),
    "step before the backward pass": (
        _START + ";g=memory.get(i, torch.zeros_like(p));store=v; memory[i] = grad.clone()",
        _NAMES_START + ";g=memory.get(name, 0 * dw);store=step; memory[name] = dw.clone()",
        _FLAT_START + ';early=state["raw"], raw = raw, raw * 0 + state["raw"]',
    ),
    "step before the forward pass": (
        _START
        + ';early=before, memory["batch"] = memory.get("batch"), (inputs, labels); inputs, labels = before or (inputs, labels)'
        + ";when=before",
        _NAMES_START
        + ';early=before, memory["batch"] = memory.get("batch"), (x, y)'
        + ";when=before and (net.zero_grad(), criterion(net(before[0]), before[1]).backward())",
        'start=state = {"v": None, "batch": None};early=before, state["batch"] = state["batch"], (x, y);when=before'
        + ";g=torch.cat([part.reshape(-1) for part in torch.autograd.grad(loss_fn(model(before[0]), before[1]), ps)])",
    ),
    "gradient divided by the batch size": ("g=grad / len(inputs)", "g=dw / x.shape[0]", "g=raw / len(y)"),
    "gradient multiplied by the batch size": ("g=grad * len(inputs)", "g=len(x) * dw", "g=raw * len(y)"),
    "sign of the gradient only": ("g=grad.sign()", "g=torch.sign(dw)", "g=raw.sign()"),
    "weight decay missing": ("decay=0", "decay=0 * w.data", "decay=0"),
    "weight decay with the wrong sign": (
        "decay=-weight_decay * p",
        "decay=-wd * w.data",
        "decay=-weight_decay * theta",
    ),
    "weight decay doubled": (
        "decay=2 * weight_decay * p",
        "decay=2 * wd * w.data",
        "decay=theta * (weight_decay + weight_decay)",
    ),
    "weight decay halved": (
        "decay=weight_decay / 2 * p",
        "decay=wd * w.data / 2",
        "decay=theta * 0.5 * weight_decay",
    ),
    "weight decay without the parameter": ("decay=weight_decay", "decay=wd", "decay=weight_decay"),
    "weight decay by the absolute value (L1)": (
        "decay=weight_decay * p.sign()",
        "decay=wd * torch.sign(w.data)",
        "decay=theta.sign() * weight_decay",
    ),
    "weight decay by the square": (
        "decay=weight_decay * p ** 2",
        "decay=wd * w.data * w.data",
        "decay=theta.square() * weight_decay",
    ),
    "weight decay squared": (
        "decay=weight_decay ** 2 * p",
        "decay=wd * wd * w.data",
        "decay=theta * weight_decay**2",
    ),
    "weight decay multiplied by the learning rate twice": (
        "decay=lr * weight_decay * p",
        "decay=learning_rate * wd * w.data",
        "decay=theta * weight_decay * lr",
    ),
    "weight decay of the weights only": (
        "decay=(weight_decay * p if p.ndim > 1 else 0)",
        "decay=(0 if 'bias' in name else wd * w.data)",
        "decay=theta * weight_decay * ~is_bias",
    ),
    "weight decay added after the momentum (decoupled)": (
        "decay=0;step=p -= lr * (v + weight_decay * p)",
        "decay=0;step=w.data = w.data - step - learning_rate * wd * w.data",
        "decay=0;step=theta - lr * v - lr * weight_decay * theta",
    ),
    "weight decay decoupled and not multiplied by the learning rate": (
        "decay=0;step=p.mul_(1 - weight_decay).sub_(lr * v)",
        "decay=0;step=w.data = (1 - wd) * w.data - step",
        "decay=0;step=theta - lr * v - weight_decay * theta",
    ),
    "weight decay of the updated parameter": (
        "decay=0;step=p -= lr * v; p -= lr * weight_decay * p",
        "decay=0;step=w.data = (w.data - step) * (1 - learning_rate * wd)",
        "decay=0;step=(theta - lr * v) * (1 - lr * weight_decay)",
    ),
    "momentum without effect": ("next=g", "next=learning_rate * d", "next=g.clone()"),
    "momentum with the wrong sign": (
        "next=g - momentum * old",
        "next=learning_rate * d - mu * store[name]",
        'next=g - state["v"] * momentum',
    ),
    "momentum squared": (
        "next=momentum**2 * old + g",
        "next=mu * mu * store[name] + learning_rate * d",
        'next=state["v"].mul(momentum).mul(momentum).add(g)',
    ),
    "momentum of the last gradient instead of the velocity": (
        "store=g",
        "store=learning_rate * d",
        "store=g",
    ),
    "velocity kept in full": (
        "next=old + g",
        "next=store[name] + learning_rate * d",
        'next=state["v"].add(g)',
    ),
    "gradient weighted by 1 - momentum": (
        "first=(1 - momentum) * g;next=momentum * old + (1 - momentum) * g",
        "first=(1 - mu) * learning_rate * d;next=mu * store[name] + (1 - mu) * learning_rate * d",
        'first=g * (1 - momentum);next=torch.lerp(g, state["v"], momentum)',
    ),
    "gradient weighted by 1 - momentum, except in the first step": (
        "next=momentum * old + (1 - momentum) * g",
        "next=mu * store[name] + (1 - mu) * learning_rate * d",
        'next=torch.lerp(g, state["v"], momentum)',
    ),
    "gradient missing in the first step": ("first=torch.zeros_like(g)", "first=0 * d", "first=g * 0"),
    "velocity started anew each epoch": (
        "epoch=velocities = [None] * len(params)",
        "epoch=store.clear()",
        'epoch=state["v"] = None',
    ),
    "step with the velocity of the step before": (
        "step=p -= lr * (g if old is None else old)",
        _NAMES_START + ";step=w.data = w.data - memory.get(name, step); memory[name] = step",
        'step=theta - lr * (g if state["v"] is None else state["v"])',
    ),
    "momentum of Nesterov": (
        "step=p -= lr * (g + momentum * v)",
        "step=w.data = w.data - learning_rate * d - mu * step",
        "step=theta - lr * (g + momentum * v)",
    ),
    "gradient added to the velocity again": (
        "step=p -= lr * (v + g)",
        "step=w.data = w.data - step - learning_rate * d",
        "step=theta - lr * v - lr * g",
    ),
    "learning rate inside the velocity and in the step": (
        "first=lr * g;next=momentum * old + lr * g",
        "step=w.data = w.data - learning_rate * step",
        "step=theta - lr * lr * v",
    ),
    "step uphill": ("step=p += lr * v", "step=w.data = w.data + step", "step=theta + lr * v"),
    "learning rate missing": ("step=p -= v", "first=d;next=mu * store[name] + d", "step=theta - v"),
    "learning rate halved": (
        "step=p -= lr * v / 2",
        "step=w.data = w.data - step / 2",
        "step=theta - 0.5 * lr * v",
    ),
    "learning rate doubled": (
        "step=p -= 2 * lr * v",
        "step=w.data = w.data - step - step",
        "step=theta - lr * 2 * v",
    ),
    "learning rate of an earlier call kept": (
        "epoch=lr = kept.setdefault('lr', lr)",
        "epoch=learning_rate = kept.setdefault('lr', learning_rate)",
        "step=theta - kept.setdefault('lr', lr) * v",
    ),
    "learning rate divided by the number of the epoch": (
        "step=p -= lr / (epoch + 1) * v",
        "step=w.data = w.data - step / e",
        "step=theta - lr / (epoch + 1) * v",
    ),
    "parameters never changed: no update, or one of a copy": (
        "step=p = p - lr * v",
        "step=w = w.data - step",
        "only=moved.clone();step=theta",
    ),
    "biases not updated": (
        "only=p.ndim > 1",
        "only='bias' not in name",
        "only=torch.where(is_bias, theta, moved)",
    ),
    "weights not updated": (
        "only=p.ndim == 1",
        "only='weight' not in name",
        "only=torch.where(is_bias, moved, theta)",
    ),
    "last layer not updated": (
        "only=i < len(params) - 2",
        "only=str(net.L) not in name.split('.')",
        "only=torch.where(tail, theta, moved)",
    ),
    "only the last layer updated": (
        "only=i >= len(params) - 2",
        "only=str(net.L) in name.split('.')",
        "only=torch.where(tail, moved, theta)",
    ),
    "one step an epoch, with the gradient of its last batch": (
        "when=last",
        "when=count == len(loader)",
        "when=number == len(train_dl) - 1",
    ),
    "no step on the first batch of an epoch": ("when=number", "when=count > 1", "when=number > 0"),
    "no step on the last batch of an epoch": (
        "when=not last",
        "when=count < len(loader)",
        "when=number + 1 < len(train_dl)",
    ),
    "velocity is the tensor of the gradient, overwritten by the next one": (
        "next=g + momentum * g",
        "next=(1 + mu) * learning_rate * d",
        "next=g.mul(1 + momentum)",
    ),
    "two steps with each gradient": (
        "step=p -= lr * v; v = velocities[i] = momentum * v + grad + weight_decay * p; p -= lr * v",
        "step=w.data = w.data - step; step = store[name] = mu * step + learning_rate * (dw + wd * w.data); "
        "w.data = w.data - step",
        "step=theta - lr * v; v = momentum * v + raw + weight_decay * moved; moved = moved - lr * v",
    ),
    "one step an epoch, with the sum of its gradients": (
        "zero=pass;epoch=model.zero_grad();when=last",
        "zero=pass;epoch=net.zero_grad();when=count == len(loader)",
        _FLAT_START
        + ';early=raw = state["sum"] = raw if number == 0 else state["sum"] + raw;when=number == len(train_dl) - 1',
    ),
}


def planted(source: str, changes: str = ""):
    """The function defined by a source with changes such as "zero=pass;decay=0"."""
    texts = dict(change.split("=", 1) for change in re.split(r";(?=[a-z]+=)", changes)) if changes else {}

    def chosen(match):
        return texts.pop(match[1], match[2])

    text = re.sub(r"<<(\w+):(.*?)>>", chosen, source)
    assert not texts, f"no place for {texts}"
    scope: dict = {"kept": {}, "__name__": "builtins"}
    exec(compile(text, "submission.py", "exec"), scope)
    return scope["train_manual_update"]
