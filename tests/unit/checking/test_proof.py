# ruff: noqa: E501
"""Every mistake in the catalogue is detected and named, and every correct implementation passes.

Each mistake is planted into three different implementations; `pytest -m long` tries all of them, the
default run tries every mistake in one of the three, in rotation.
"""

import importlib.util
import itertools
import random
from itertools import cycle
from pathlib import Path

import pytest
import torch

from handgrad.checking import gradients, networks, updates
from handgrad.checking.catalogue import (
    DERIVATIVE_MISTAKES,
    FORWARD_MISTAKES,
    GRADIENT_MISTAKES,
    UPDATE_MISTAKES,
)
from handgrad.checking.results import FAILED, NOTE, PASSED

pytestmark = pytest.mark.slow


def sibling(name):
    spec = importlib.util.spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


planted_gradients, planted_updates = sibling("planted_gradients"), sibling("planted_updates")
planted_networks, planted_loops = sibling("planted_networks"), sibling("planted_loops")
KINDS = [
    pytest.param(planted_gradients, gradients.gradient_findings, id="gradients"),
    pytest.param(planted_updates, updates.update_findings, id="updates"),
    pytest.param(planted_networks, networks.network_findings, id="networks"),
]


def assert_caught_and_named(planted, find, chosen):
    """`chosen`: (mistake, source, changes)."""
    unnamed = []
    for name, source, changes in chosen:
        findings = find(planted.planted(planted.SOURCES[source], changes))
        wrong = [finding for finding in findings if finding.status == FAILED]
        assert wrong, (name, source)
        # The numbers match this mistake and no other in the catalogue.
        if wrong[0].summary.removeprefix("df of every layer: ") != name:
            unnamed.append((name, source, wrong[0].summary))
    print(f"{len(chosen)} planted, all caught, {len(chosen) - len(unnamed)} named; otherwise: {unnamed}")
    assert len(unnamed) <= 0.05 * len(chosen), unnamed


@pytest.mark.slow
@pytest.mark.parametrize(("planted", "find"), KINDS)
def test_every_mistake_is_caught_and_nearly_all_are_named(planted, find):
    in_turn = cycle(enumerate(planted.SOURCES))
    chosen = [
        (name, source, changes[place])
        for (name, changes), (place, source) in zip(planted.MISTAKES.items(), in_turn, strict=False)
    ]
    assert_caught_and_named(planted, find, chosen)


@pytest.mark.long
@pytest.mark.parametrize(("planted", "find"), KINDS)
def test_every_mistake_is_caught_and_nearly_all_are_named_in_every_implementation(planted, find):
    chosen = [
        (name, source, changes)
        for name, each in planted.MISTAKES.items()
        for source, changes in zip(planted.SOURCES, each, strict=True)
    ]
    assert_caught_and_named(planted, find, chosen)


def assert_found_in_the_loop(name, source):
    (check, words), changes = planted_loops.MISTAKES[name]
    train = planted_loops.planted(
        planted_loops.SOURCES[source], changes[list(planted_loops.SOURCES).index(source)]
    )
    findings = [finding for finding in updates.train_findings(train) if finding.status != PASSED]
    assert (findings[0].check, words in findings[0].summary) == (check, True), (name, source, findings)


def test_every_mistake_of_a_training_loop_is_caught_and_named():
    for name, source in zip(planted_loops.MISTAKES, cycle(planted_loops.SOURCES), strict=False):
        assert_found_in_the_loop(name, source)


@pytest.mark.long
@pytest.mark.parametrize("source", planted_loops.SOURCES)
def test_every_mistake_of_a_training_loop_is_caught_and_named_in_every_loop(source):
    for name in planted_loops.MISTAKES:
        assert_found_in_the_loop(name, source)


@pytest.mark.parametrize("source", planted_loops.SOURCES)
def test_correct_training_loops_are_not_accused(source):
    findings = updates.train_findings(planted_loops.planted(planted_loops.SOURCES[source]))
    assert [(finding.check, finding.status) for finding in findings] == [
        ("steps", PASSED),
        ("validation", PASSED),
        ("losses", PASSED),
    ]


@pytest.mark.parametrize("source", planted_networks.SOURCES)
@pytest.mark.parametrize("activation", ["tanh", "sigmoid", "relu", "leaky_relu", "gelu"])
def test_correct_networks_are_not_accused(source, activation):
    place = list(planted_networks.SOURCES).index(source)
    changes = planted_networks.CORRECT[activation][place]
    findings = networks.network_findings(planted_networks.planted(planted_networks.SOURCES[source], changes))
    assert [(finding.check, finding.status) for finding in findings] == [
        ("forward", PASSED),
        ("derivatives", PASSED),
    ]


def test_every_mistake_of_the_catalogue_is_planted():
    assert {mistake.name for mistake in FORWARD_MISTAKES} == set(planted_networks.FORWARD)
    assert {mistake.name for mistake in DERIVATIVE_MISTAKES} == set(planted_networks.DERIVATIVES)
    squared = {
        mistake.name
        for mistake in GRADIENT_MISTAKES
        if "squared_error" in (mistake.losses or ("squared_error",))
    }
    assert squared == set(planted_gradients.MISTAKES)
    dampened = {"first step dampened", "dampening ignored", "nesterov ignored"}  # below
    assert {mistake.name for mistake in UPDATE_MISTAKES} - set(planted_updates.MISTAKES) == dampened
    assert len(planted_gradients.MISTAKES) + len(planted_updates.MISTAKES) >= 40


@pytest.mark.parametrize("derivative", ["(1 - model.a[{l}] ** 2)", "1 / torch.cosh(model.z[{l}]) ** 2"])
def test_the_derivative_of_tanh_written_out_is_mentioned_and_accepted(derivative):
    changes = f"out={derivative.format(l='L')};slope={derivative.format(l='l - 1')}"
    finding = gradients.gradient_findings(planted_gradients.planted(planted_gradients.ROWS, changes))[0]
    assert (finding.status, finding.mistakes) == (NOTE, ())


@pytest.mark.parametrize(
    ("name", "first", "following", "direction"),
    [
        (
            "first step dampened",
            "(1 - dampening) * g",
            "momentum * v + (1 - dampening) * g",
            "g + momentum * v if nesterov else v",
        ),
        ("dampening ignored", "g", "momentum * v + g", "g + momentum * v if nesterov else v"),
        ("nesterov ignored", "g", "momentum * v + (1 - dampening) * g", "v"),
        (None, "g", "momentum * v + (1 - dampening) * g", "g + momentum * v if nesterov else v"),
    ],
)
def test_dampening_and_nesterov_are_checked_where_a_function_has_them(name, first, following, direction):
    source = f"""
import torch

def train_manual_update(n_epochs, lr, model, loss_fn, train_loader, weight_decay, momentum, dampening, nesterov):
    velocities = {{}}
    for _ in range(n_epochs):
        for x, y in train_loader:
            model.zero_grad()
            loss_fn(model(x), y).backward()
            with torch.no_grad():
                for i, p in enumerate(model.parameters()):
                    g = p.grad + weight_decay * p
                    if momentum:
                        v = velocities.get(i)
                        v = {first} if v is None else {following}
                        velocities[i] = v
                        g = {direction}
                    p -= lr * g
"""
    scope = {}
    exec(compile(source, "submission.py", "exec"), scope)
    finding = updates.update_findings(scope["train_manual_update"])[0]
    assert finding.mistakes == ((name,) if name else ())


@pytest.mark.parametrize("loss", ["mse", "cross_entropy"])
def test_mistakes_in_the_gradients_of_the_other_losses_are_named(loss):
    mistakes = [mistake for mistake in GRADIENT_MISTAKES if loss in mistake.losses]
    assert len(mistakes) >= 5
    for mistake in mistakes:
        finding = gradients.gradient_findings(by_formulas(mistake.changes, loss), loss)[0]
        assert finding.mistakes == (mistake.name,)


def by_formulas(changes, loss):
    """Backpropagation by the table of formulas with changes: for losses without planted implementations."""

    def backpropagation(model, y_true, y_pred):
        layers = range(1, model.L + 1)
        weights = {layer: model.fc[str(layer)].weight.detach() for layer in layers}
        state = gradients.Pass(
            weights, model.df, model.f, model.z, model.a, y_true, y_pred.detach(), model.a, {}, {}
        )
        found = gradients.gradients({**gradients.table(loss), **changes}, state)
        for layer in layers:
            model.dL_dw[layer], model.dL_db[layer] = found[2 * layer - 2 : 2 * layer]

    return backpropagation


def test_pairs_of_mistakes_are_named():
    for one, other in [
        ("factor 2 of the squared error missing", "bias gradient averaged over the batch"),
        ("derivative of the output activation missing", "pre-activation instead of activation"),
        ("local gradient through the transposed weights", "weight gradient transposed"),
    ]:
        changes = ";".join(planted_gradients.MISTAKES[name][1] for name in (one, other))
        finding = gradients.gradient_findings(planted_gradients.planted(planted_gradients.COLUMNS, changes))[
            0
        ]
        assert set(finding.mistakes) == {one, other}
    changes = "decay=0;next=momentum * old + (1 - momentum) * g"
    finding = updates.update_findings(planted_updates.planted(planted_updates.LISTS, changes))[0]
    assert finding.mistakes == (
        "weight decay missing",
        "gradient weighted by 1 - momentum, except in the first step",
    )


def test_an_unknown_mistake_is_located_and_nothing_more_is_claimed():
    changes = "db=delta.sum(0) * (1.37 if l == 2 else 1)"
    finding = gradients.gradient_findings(planted_gradients.planted(planted_gradients.ROWS, changes))[0]
    assert (finding.status, finding.mistakes) == (FAILED, ())
    assert finding.summary.startswith("wrong from layer 2 on, going back (only the biases); no known mistake")

    finding = gradients.gradient_findings(
        planted_gradients.planted(planted_gradients.ROWS, "dw=0.3 * delta.t() @ x")
    )[0]
    assert "dL_dw of that layer is 0.3 times what it should be, in every entry" in finding.details


# Equivalent expressions: each list is for one place in a source.
SAME_GRADIENTS = {
    "rows": {
        "loss": ["2 * (y_pred - y_true)", "-2 * (y_true - y_pred)", "(y_pred - y_true).mul(2.0)", "(y_pred - y_true) / 0.5"],
        "out": ["model.df[L](model.z[L])", "model.df[L](model.z[L].clone()).detach()"],
        "below": ["model.a[l - 1]", "model.a[l - 1].reshape(n, -1)", "(model.a[0] if l == 1 else model.f[l - 1](model.z[l - 1]))"],
        "db": ["delta.sum(0)", "delta.sum(dim=0, keepdim=True)", "torch.ones(n) @ delta", "delta.mean(0) * n", "delta.t().sum(1)"],
        "dw": ["delta.t() @ x", "(x.t() @ delta).t()", "torch.mm(delta.t(), x)", "sum(torch.outer(d, r) for d, r in zip(delta, x))"],
        "back": ["delta @ weight", "torch.matmul(delta, weight.data)", "(weight.t() @ delta.t()).t()"],
        "set": ["model.dL_db[l], model.dL_dw[l] = db, dw", "model.dL_db[l].copy_(db.reshape(-1)); model.dL_dw[l].copy_(dw)"],
    },
    "columns": {
        "loss": ["2 * (O - Y)", "(2 * O - 2 * Y)", "(O - Y + (O - Y))"],
        "back": ["W[k + 1].T @ D[k + 1]", "T.einsum('oi,ob->ib', W[k + 1], D[k + 1])", "T.mm(W[k + 1].t(), D[k + 1])"],
        "dw": ["d @ below.T", "T.tensordot(d, below, dims=([1], [1]))", "(d[:, None, :] * below[None]).sum(-1)", "T.from_numpy(d.numpy() @ below.numpy().T)"],
        "db": ["T.sum(d, dim=1)", "d @ T.ones(m)", "d.sum(1, keepdim=True)", "T.stack([row.sum() for row in d])"],
        "below": ["A[k - 1]", "A[k - 1].contiguous()"],
    },
    "recursion": {
        "loss": ["error + error", "2 * error", "torch.add(error, error)"],
        "dw": ['einsum("bo,bi->oi", u, x)', "u.T @ x", 'einsum("bo,bi->boi", u, x).sum(0)', "torch.bmm(u[:, :, None], x[:, None]).sum(0)"],
        "db": ['einsum("bo->o", u)', "u.sum(0)", "u.transpose(0, 1).sum(-1)", "u.float().sum(0) if False else u.sum(axis=0)"],
        "slope": ["df[j](z[j])", "df[j](z[j].detach())"],
        "back": ['einsum("bo,oi->bi", u, w)', "u @ w", "torch.nn.functional.linear(u, w.T)"],
    },
}  # fmt: skip
SAME_UPDATES = {
    "lists": {
        "start": ["params = list(model.parameters()); velocities = [None] * len(params)", "params = [p for layer in model.fc.values() for p in (layer.weight, layer.bias)]; velocities = {i: None for i in range(99)}"],
        "zero": ["model.zero_grad()", "[setattr(p, 'grad', None) for p in params]", "torch.optim.SGD(params, 1).zero_grad()"],
        "g": ["grad", "grad.clone()", "p.grad.data.detach()"],
        "decay": ["weight_decay * p", "p * weight_decay", "weight_decay * p.detach().clone()", "torch.mul(p.data, weight_decay)"],
        "first": ["g", "g.clone()", "0 * g + g", "momentum * torch.zeros_like(p) + g"],
        "next": ["momentum * old + g", "old.mul(momentum).add(g)", "old.mul_(momentum).add_(g)", "torch.add(g, old, alpha=momentum)", "g - (-momentum) * old"],
        "store": ["v", "v.clone()", "v.detach()"],
        "step": ["p -= lr * v", "p.sub_(lr * v)", "p.add_(v, alpha=-lr)", "p.copy_(p - lr * v)", "p.data = p.data - lr * v", "torch.sub(p, v, alpha=lr, out=p)", "p[...] = p - lr * v", "model.load_state_dict({name: q - lr * v if q is p else q for name, q in model.named_parameters()})"],
    },
    "names": {
        "zero": ["net.zero_grad(set_to_none=False)", "net.zero_grad()", "[w.grad.zero_() for w in net.parameters()]", "[w.grad.fill_(0) for _, w in net.named_parameters()]"],
        "g": ["dw", "dw + 0", "dw.clone()"],
        "decay": ["wd * w.data", "wd * w.detach()", "w.data.clone().mul_(wd)", "2 * wd * w.data / 2"],
        "first": ["learning_rate * d", "d * learning_rate", "0 + learning_rate * d"],
        "next": ["mu * store[name] + learning_rate * d", "store[name] * mu + d * learning_rate", "store[name].mul_(mu).add_(d, alpha=learning_rate)", "sum((mu * store[name], learning_rate * d))"],
        "step": ["w.data = w.data - step", "w.data -= step", "w.data.add_(-step)", "w.data.copy_(w.data - step)", "net.get_parameter(name).data.sub_(step)", "exec('with torch.no_grad(): w -= step')"],
    },
    "flat": {
        "g": ["raw", "raw.clone()", "raw.detach()"],
        "decay": ["theta * weight_decay", "weight_decay * flat(ps).data", "(weight_decay / 2) * (theta + theta)"],
        "first": ["g.clone()", "g"],
        "next": ['state["v"].mul(momentum).add(g)', 'momentum * state["v"] + g', "torch.stack([momentum * state['v'], g]).sum(0)"],
        "step": ["theta - lr * v", "theta.sub(v, alpha=lr)", "theta + (-lr) * v", "theta.add(-v.mul(lr))"],
        "only": ["moved", "moved.clone()", "torch.where(is_bias, moved, moved)"],
    },
    # The velocity points downhill: v = momentum v - lr g, p = p + v.
    "downhill": {
        "grads": ["[p.grad for p in ps]", "torch.autograd.grad(loss, ps)", "list(torch.autograd.grad(loss, [*ps]))"],
        "backward": ["model.zero_grad(); loss.backward(retain_graph=True)"],
        "g": ["dp + weight_decay * p", "dp.add(p, alpha=weight_decay)", "weight_decay * p.data + dp"],
        "v": ["momentum * v - lr * g", "-(lr * g - momentum * v)", "v.mul(momentum).sub(g, alpha=lr)"],
        "step": ["p += v", "p.add_(v)", "p.data = p.data + v", "p.copy_(v + p)"],
    },
    # All parameters in one call of torch._foreach_*, or layer by layer in a class.
    "foreach": {
        "zero": ["[p.grad.zero_() for p in ps if p.grad is not None]", "model.zero_grad()", "[setattr(p, 'grad', None) for p in ps]"],
        "g": ["torch._foreach_add([p.grad for p in ps], ps, alpha=wd)", "[p.grad + wd * p for p in ps]", "list(map(lambda p: p.grad.add(p, alpha=wd), ps))"],
        "v": ["torch._foreach_mul_(vs, mu); torch._foreach_add_(vs, gs)", "vs[:] = [mu * v + g for v, g in zip(vs, gs)]", "[v.mul_(mu).add_(g) for v, g in zip(vs, gs)]"],
        "step": ["torch._foreach_add_(ps, vs, alpha=-lr)", "[p.sub_(v, alpha=lr) for p, v in zip(ps, vs)]", "[p.copy_(p - lr * v) for p, v in zip(ps, vs)]"],
    },
    "layers": {
        "gw": ["lin.weight.grad + l2 * lin.weight", "lin.weight.grad.add(l2 * lin.weight)"],
        "gb": ["lin.bias.grad + l2 * lin.bias", "l2 * lin.bias + lin.bias.grad"],
        "vw": ["self.beta * self.vw.get(key, 0) + gw", "gw + self.beta * self.vw[key] if key in self.vw else gw"],
        "vb": ["self.beta * self.vb.get(key, 0) + gb", "(self.vb.get(key, torch.zeros_like(gb)) * self.beta).add(gb)"],
        "step": ["lin.weight -= self.eta * self.vw[key]; lin.bias -= self.eta * self.vb[key]", "lin.weight.data, lin.bias.data = lin.weight - self.eta * self.vw[key], lin.bias - self.eta * self.vb[key]", "lin.bias.sub_(self.eta * self.vb[key]); lin.weight.sub_(self.eta * self.vw[key])"],
    },
}  # fmt: skip


def ways(table):
    return [
        (source, ";".join(f"{name}={text}" for name, text in zip(places, texts, strict=True)))
        for source, places in table.items()
        for texts in itertools.product(*places.values())
    ]


@pytest.mark.slow
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_200_correct_ways_to_write_backpropagation_are_not_accused(dtype):
    for source, changes in random.Random(0).sample(ways(SAME_GRADIENTS), 200):
        function = planted_gradients.planted(planted_gradients.SOURCES[source], changes)
        observations = gradients._observed(function, "squared_error", None, {}, dtype)
        assert all(observation.right for observation in observations), (source, changes)


def assert_correct_updates_are_not_accused(count, dtype):
    sources = planted_updates.SOURCES | planted_updates.OTHERS
    by_source = [[way for way in ways(SAME_UPDATES) if way[0] == source] for source in SAME_UPDATES]
    drawn = [random.Random(0).sample(each, min(len(each), count)) for each in by_source]
    in_turn = [way for turn in itertools.zip_longest(*drawn) for way in turn if way]
    for source, changes in in_turn[:count]:
        function = planted_updates.planted(sources[source], changes)
        observations = updates._observed(function, updates._settings(function), {}, dtype)
        wrong = [o.crash or o.distance for o in observations if not o.right]
        assert not wrong, (source, changes)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_correct_ways_to_write_the_update_are_not_accused(dtype):
    assert_correct_updates_are_not_accused(20, dtype)


@pytest.mark.long
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
def test_200_correct_ways_to_write_the_update_are_not_accused(dtype):
    assert_correct_updates_are_not_accused(200, dtype)
