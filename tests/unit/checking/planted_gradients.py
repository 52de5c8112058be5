# ruff: noqa: E501
"""Three different correct implementations of backpropagation, and every known mistake expressed in each of them.

`<<name:text>>` in a source is `text` unless a mistake says otherwise.
"""

import re

# One row per sample, a loop over the layers, under no_grad.
ROWS = """
import torch

def backpropagation(model, y_true, y_pred):
    with torch.no_grad():
        n, L = len(y_pred), model.L
        delta = <<loss:2 * (y_pred - y_true)>> * <<out:model.df[L](model.z[L])>>
        top = delta
        for l in range(L, 0, -1):
            weight = model.fc[str(l)].weight
            x = <<below:model.a[l - 1]>>
            db, dw = <<db:delta.sum(0)>>, <<dw:delta.t() @ x>>
            if <<keep:True>>:
                <<set:model.dL_db[l], model.dL_dw[l] = db, dw>>
            if l > 1:
                delta = <<back:delta @ weight>> * <<slope:model.df[l - 1](model.z[l - 1])>>
"""

# One column per sample, dictionaries filled in two passes, without a context manager.
COLUMNS = """
import torch as T

def backpropagation(net, target, output):
    Z = {k: v.detach().T for k, v in net.z.items()}
    A = {k: v.detach().T for k, v in net.a.items()}
    W = {k: net.fc[str(k)].weight.detach() for k in range(1, net.L + 1)}
    O, Y = output.detach().T, target.T
    m, last = O.shape[1], net.L
    D = {last: <<loss:2 * (O - Y)>> * <<out:net.df[last](Z[last])>>}
    for k in reversed(range(1, last)):
        D[k] = <<back:W[k + 1].T @ D[k + 1]>> * <<slope:net.df[k](Z[k])>>
    for k, d in D.items():
        if not (<<keep:True>>):
            continue
        below = <<below:A[k - 1]>>
        gw = <<dw:d @ below.T>>
        gb = <<db:T.sum(d, dim=1)>>
        <<set:net.dL_dw[k] = gw; net.dL_db[k] = gb>>
"""

# A recursion over the layers with einsum, in inference mode, with a helper function.
RECURSION = """
from torch import einsum, inference_mode
import torch

def products(u, x, N):
    return <<dw:einsum("bo,bi->oi", u, x)>>, <<db:einsum("bo->o", u)>>

def down(net, i, u, first, N, L):
    a, z, f, df = net.a, net.z, net.f, net.df
    w = net.fc[str(i)].weight
    gw, gb = products(u, <<below:a[i - 1]>>, N)
    if <<keep:True>>:
        <<set:net.dL_dw[i], net.dL_db[i] = gw, gb>>
    if i - 1:
        j = i - 1
        down(net, j, torch.mul(<<back:einsum("bo,oi->bi", u, w)>>, <<slope:df[j](z[j])>>), first, N, L)

@inference_mode()
def backpropagation(model, y_true, y_pred):
    L, z, a, f, df = model.L, model.z, model.a, model.f, model.df
    N = y_true.size(0)
    error = y_pred.sub(y_true)
    start = <<loss:error + error>>
    start = start.mul(<<out:df[L](z[L])>>)
    down(model, L, start, start, N, L)
"""

SOURCES = {"rows": ROWS, "columns": COLUMNS, "recursion": RECURSION}

# Mistake: the changes to the version in rows, in columns, and by recursion.
MISTAKES = {
    "sign of the loss gradient": (
        "loss=2 * (y_true - y_pred)",
        "loss=-2 * (O - Y)",
        "loss=error - 3 * error",
    ),
    "factor 2 of the squared error missing": ("loss=(y_pred - y_true)", "loss=(O - Y)", "loss=error"),
    "factor 2 of the squared error twice": (
        "loss=4 * (y_pred - y_true)",
        "loss=2 * (2 * (O - Y))",
        "loss=4 * error",
    ),
    "loss averaged over the batch instead of summed": (
        "loss=2 * (y_pred - y_true) / n",
        "loss=2 / m * (O - Y)",
        "loss=2 * error / N",
    ),
    "loss averaged over batch and outputs instead of summed": (
        "loss=2 * (y_pred - y_true) / y_pred.numel()",
        "loss=2 * (O - Y) / (O.shape[0] * O.shape[1])",
        "loss=(error + error) / error.numel()",
    ),
    "loss averaged over the outputs instead of summed": (
        "loss=2 * (y_pred - y_true) / y_pred.shape[1]",
        "loss=2 * (O - Y) / len(O)",
        "loss=2 * error / error.size(1)",
    ),
    "loss instead of its derivative": (
        "loss=(y_pred - y_true) ** 2",
        "loss=(O - Y).square()",
        "loss=error * error",
    ),
    "derivative of the absolute error": (
        "loss=torch.sign(y_pred - y_true)",
        "loss=(O - Y) / (O - Y).abs()",
        "loss=error.sign()",
    ),
    "output instead of the error": ("loss=2 * y_pred", "loss=2 * O", "loss=y_pred + y_pred"),
    "softmax before the squared error": (
        "loss=(torch.softmax(y_pred, 1) - y_true)",
        "loss=(T.softmax(O, dim=0) - Y)",
        "loss=y_pred.softmax(1) - y_true",
    ),
    "derivative of the output activation missing": ("out=1", "out=1.0", "out=torch.ones_like(start)"),
    "derivative of the output activation at a instead of z": (
        "out=model.df[L](model.a[L])",
        "out=net.df[last](O)",
        "out=df[L](y_pred)",
    ),
    "output activation instead of its derivative": ("out=model.f[L](model.z[L])", "out=O", "out=a[L]"),
    "derivative of the output activation twice": (
        "out=model.df[L](model.z[L]) ** 2",
        "out=net.df[last](Z[last]) * net.df[last](Z[last])",
        "out=df[L](z[L]).square()",
    ),
    "derivative of the output activation at z of the layer below": (
        "out=model.df[L](model.z[max(L - 1, 1)])",
        "out=net.df[last](Z[last - 1])",
        "out=df[L](z[L - 1])",
    ),
    "derivative of the hidden activations missing": ("slope=1", "slope=1.0", "slope=torch.ones_like(z[j])"),
    "derivative of the hidden activations at a instead of z": (
        "slope=model.df[l - 1](model.a[l - 1])",
        "slope=net.df[k](A[k])",
        "slope=df[j](a[j])",
    ),
    "hidden activation instead of its derivative": (
        "slope=model.a[l - 1]",
        "slope=net.f[k](Z[k])",
        "slope=f[j](z[j])",
    ),
    "derivative of the hidden activations twice": (
        "slope=model.df[l - 1](model.z[l - 1]) ** 2",
        "slope=net.df[k](Z[k]).pow(2)",
        "slope=df[j](z[j]) * df[j](z[j])",
    ),
    "derivative one layer off": (
        "slope=model.df[l](model.z[l])",
        "slope=net.df[k + 1](Z[k + 1])",
        "slope=df[i](z[i])",
    ),
    "derivative at z of the layer above": (
        "slope=model.df[l - 1](model.z[l])",
        "slope=net.df[k](Z[k + 1])",
        "slope=df[j](z[i])",
    ),
    "derivative at the input of the layer": (
        "slope=model.df[l - 1](model.a[l - 2])",
        "slope=net.df[k](A[k - 1])",
        "slope=df[j](a[j - 1])",
    ),
    "derivative missing in every layer": (
        "out=1;slope=1",
        "out=1;slope=1",
        "out=torch.tensor(1.0);slope=torch.tensor(1.0)",
    ),
    "derivative at a instead of z in every layer": (
        "out=model.df[L](y_pred);slope=model.df[l - 1](model.a[l - 1])",
        "out=net.df[last](A[last]);slope=net.df[k](A[k])",
        "out=df[L](a[L]);slope=df[j](a[j])",
    ),
    "activation instead of its derivative in every layer": (
        "out=y_pred;slope=model.a[l - 1]",
        "out=A[last];slope=A[k]",
        "out=f[L](z[L]);slope=f[j](z[j])",
    ),
    "derivative twice in every layer": (
        "out=model.df[L](model.z[L]) ** 2;slope=model.df[l - 1](model.z[l - 1]) ** 2",
        "out=net.df[last](Z[last]) ** 2;slope=net.df[k](Z[k]) ** 2",
        "out=df[L](z[L]).square();slope=df[j](z[j]).square()",
    ),
    "tanh taken of a in its derivative": (
        "out=(1 - torch.tanh(model.a[L]) ** 2);slope=(1 - torch.tanh(model.a[l - 1]) ** 2)",
        "out=1 / T.cosh(O) ** 2;slope=1 / T.cosh(A[k]) ** 2",
        "out=1 - a[L].tanh().square();slope=1 - a[j].tanh().square()",
    ),
    "local gradient through the transposed weights": (
        "back=delta @ weight.t()",
        "back=W[k + 1] @ D[k + 1]",
        'back=einsum("bo,io->bi", u, w)',
    ),
    "weights of the layer itself instead of the layer above": (
        "back=delta @ model.fc[str(l - 1)].weight",
        "back=W[k].T @ D[k + 1]",
        'back=einsum("bo,oi->bi", u, net.fc[str(j)].weight)',
    ),
    "weights missing on the way back": ("back=delta", "back=D[k + 1]", "back=u"),
    "weight gradient instead of the weights on the way back": (
        "back=delta @ dw",
        "back=(D[k + 1] @ A[k].T).T @ D[k + 1]",
        'back=einsum("bo,oi->bi", u, gw)',
    ),
    "local gradient of the output layer used in every layer": (
        "back=top @ weight",
        "back=W[k + 1].T @ D[last]",
        'back=einsum("bo,oi->bi", first, w)',
    ),
    "bias gradient averaged over the batch": (
        "db=delta.mean(0)",
        "db=d.sum(1) / m",
        'db=einsum("bo->o", u) / N',
    ),
    "bias gradient summed over the units": ("db=delta.sum(1)", "db=T.sum(d, dim=0)", 'db=einsum("bo->b", u)'),
    "bias gradient of the first sample only": ("db=delta[0]", "db=d[:, 0]", "db=u[0].clone()"),
    "bias gradient of the last sample only": ("db=delta[-1]", "db=d[:, m - 1]", "db=u[N - 1]"),
    "bias gradient not summed over the batch": ("db=delta", "db=d.T", "db=u.clone()"),
    "bias gradient summed over everything": ("db=delta.sum()", "db=T.sum(d)", 'db=einsum("bo->", u)'),
    "bias gradient missing": (
        "set=model.dL_dw[l] = dw",
        "set=net.dL_dw[k] = gw",
        "set=net.dL_dw[i] = gw",
    ),
    "bias gradient with the opposite sign": (
        "db=-delta.sum(0)",
        "db=T.sum(-d, dim=1)",
        'db=-einsum("bo->o", u)',
    ),
    "weight gradient without its transpose": (
        "dw=delta @ x",
        "dw=d.T @ below.T",
        'dw=einsum("bo,oi->bi", u, x)',
    ),
    "other factor of the weight gradient transposed": (
        "dw=delta @ x.t()",
        "dw=d.T @ below",
        'dw=einsum("bo,io->bi", u, x)',
    ),
    "weight gradient transposed": ("dw=x.t() @ delta", "dw=(d @ below.T).T", 'dw=einsum("bo,bi->io", u, x)'),
    "product element by element": ("dw=delta * x", "dw=(d * below).T", "dw=u * x"),
    "activation of the layer itself instead of the layer below": (
        "below=model.a[l]",
        "below=A[k]",
        "below=a[i]",
    ),
    "pre-activation instead of activation": (
        "below=model.z[l - 1] if l > 1 else model.a[0]",
        "below=Z.get(k - 1, A[0])",
        "below=z[i - 1] if i != 1 else a[0]",
    ),
    "network input instead of the layer's": ("below=model.a[0]", "below=A[0]", "below=a[0]"),
    "activations of the previous batch": (
        "below=remembered(model, l - 1)",
        "below=remembered(net, k - 1).T",
        "below=remembered(net, i - 1)",
    ),
    "samples of the activations in another order": (
        "below=model.a[l - 1].roll(1, 0)",
        "below=T.cat([A[k - 1][:, -1:], A[k - 1][:, :-1]], 1)",
        "below=torch.roll(a[i - 1], 1, 0)",
    ),
    "weight gradient averaged over the batch": (
        "dw=delta.t() @ x / n",
        "dw=1 / m * d @ below.T",
        'dw=einsum("bo,bi->boi", u, x).mean(0)',
    ),
    "weight gradient of the first sample only": (
        "dw=torch.outer(delta[0], x[0])",
        "dw=d[:, :1] @ below[:, :1].T",
        'dw=einsum("o,i->oi", u[0], x[0])',
    ),
    "weight gradient with the opposite sign": (
        "dw=-delta.t() @ x",
        "dw=d @ (-below).T",
        'dw=-einsum("bo,bi->oi", u, x)',
    ),
    "weight decay in the gradient": (
        "dw=delta.t() @ x + 0.01 * weight",
        "dw=d @ below.T + 0.01 * W[k]",
        "set=net.dL_dw[i], net.dL_db[i] = gw + 0.01 * w, gb",
    ),
    "weight gradient missing": ("set=model.dL_db[l] = db", "set=net.dL_db[k] = gb", "set=net.dL_db[i] = gb"),
    "first layer forgotten": ("keep=l > 1", "keep=k - 1", "keep=i != 1"),
    "output layer forgotten": ("keep=l < L", "keep=k != last", "keep=i < L"),
    "gradients added to those of the previous batch": (
        "set=model.dL_db[l] += db; model.dL_dw[l] += dw",
        "set=net.dL_dw[k] = net.dL_dw[k] + gw; net.dL_db[k] = net.dL_db[k] + gb",
        "set=net.dL_dw[i] = gw + net.dL_dw[i]; net.dL_db[i] = gb + net.dL_db[i]",
    ),
}
# A closure that keeps the activations of the first batch that it was given, stale from then on.
REMEMBERED = """
kept = {}

def remembered(model, layer):
    old, kept[id(model), layer] = kept.get((id(model), layer)), model.a[layer].detach().clone()
    return kept[id(model), layer] if old is None else old
"""


def planted(source: str, changes: str = ""):
    """The function `backpropagation` defined by a source with changes such as "db=delta.mean(0);out=1"."""
    texts = dict(change.split("=", 1) for change in re.split(r";(?=[a-z]+=)", changes)) if changes else {}

    def chosen(match):
        return texts.pop(match[1], match[2])

    text = re.sub(r"<<(\w+):(.*?)>>", chosen, source)
    assert not texts, f"no place for {texts}"
    scope: dict = {}
    exec(compile(text + REMEMBERED, "submission.py", "exec"), scope)
    return scope["backpropagation"]
