# ruff: noqa: E501
"""Three different correct training loops, and every mistake of a loop expressed in each of them.

`<<name:text>>` in a source is `text` unless a mistake says otherwise.
"""

import re

# The course's loop: lists of losses, the mode set in each epoch.
COURSE = """
import torch

def train(n_epochs, optimizer, model, loss_fn, train_loader, val_loader=None):
    losses_train, losses_val = [], []
    <<before:pass>>
    for epoch in range(<<epochs:n_epochs>>):
        <<mode:model.train()>>
        total = 0.0
        <<epoch:pass>>
        for number, (imgs, labels) in enumerate(train_loader):
            if <<skip:False>>:
                continue
            <<zero:optimizer.zero_grad()>>
            outputs = model(imgs)
            loss = <<loss:loss_fn(outputs, labels)>>
            <<backward:loss.backward()>>
            <<step:optimizer.step()>>
            <<count:total += loss.item() * len(imgs)>>
        losses_train.append(<<average:total / len(train_loader.dataset)>>)
        <<eval:model.eval()>>
        with torch.no_grad():
            wrong = 0.0
            for imgs, labels in val_loader:
                wrong += loss_fn(model(imgs), labels).item()
        <<validate:losses_val.append(wrong)>>
    return losses_train, losses_val
"""

# A helper for one epoch of either kind, gradients zeroed after the step, a dictionary of the history.
HELPER = """
import torch

def run(net, loader, criterion, opt, training):
    size, summed, n = 0, 0.0, 0
    <<epoch:pass>>
    for x, y in loader:
        if training and (<<skip:False>>):
            n += 1
            continue
        value = <<loss:criterion(net(x), y)>>
        if training:
            <<backward:value.backward()>>
            <<step:opt.step()>>
            <<zero:opt.zero_grad()>>
        n += 1
        <<count:summed += float(value) * x.shape[0]; size += x.shape[0]>>
    return <<average:summed / size>>

def train(model, optim, criterion, train_dl, valid_dl, epochs):
    history = {"train": [], "val": []}
    optim.zero_grad()
    <<before:pass>>
    e = 0
    while e < <<epochs:epochs>>:
        e += 1
        <<mode:model.train(True)>>
        history["train"].append(run(model, train_dl, criterion, optim, True))
        <<eval:model.train(False)>>
        with torch.set_grad_enabled(False):
            <<validate:pass>>
            history["val"].append(run(model, valid_dl, criterion, optim, False))
    return history
"""

# A class with a loop over batches by iterator, gradients by torch.autograd.backward, tensors of losses.
TRAINER = """
import itertools
import torch

class Trainer:
    def __init__(self, network, optimiser, cost):
        self.network, self.optimiser, self.cost = network, optimiser, cost

    def batch(self, data, target, first):
        <<zero:self.network.zero_grad(set_to_none=True)>>
        error = <<loss:self.cost(self.network(data), target)>>
        <<backward:torch.autograd.backward(error)>>
        <<step:self.optimiser.step()>>
        return error.detach() <<weight:* len(target)>>

    def epoch(self, loader):
        <<mode:self.network.train()>>
        parts = []
        <<epoch:pass>>
        for k, (data, target) in enumerate(loader):
            if not (<<skip:False>>):
                parts.append(self.batch(data, target, k == 0))
        return <<average:torch.stack(parts).sum() / len(loader.dataset)>>

    def validate(self, loader):
        <<eval:self.network.eval()>>
        torch.set_grad_enabled(False)
        errors = [self.cost(self.network(data), target) for data, target in loader]
        torch.set_grad_enabled(True)
        <<validate:pass>>
        return torch.stack(errors).mean()

def train(num_epochs, optimizer, net, loss_function, trainloader, validation_loader):
    trainer = Trainer(net, optimizer, loss_function)
    curve = []
    <<before:pass>>
    for _ in range(<<epochs:num_epochs>>):
        curve.append(trainer.epoch(trainloader))
        trainer.validate(validation_loader)
    return torch.stack(curve)
"""

SOURCES = {"course": COURSE, "helper": HELPER, "trainer": TRAINER}

# Mistake: the check that finds it, a part of its summary, and the changes to the three versions.
MISTAKES = {
    "gradient never zeroed": (
        ("steps", "gradient not zeroed"),
        ("zero=pass", "zero=pass", "zero=pass"),
    ),
    "gradient zeroed once an epoch": (
        ("steps", "gradient zeroed once an epoch"),
        (
            "zero=pass;epoch=optimizer.zero_grad()",
            "zero=pass;epoch=opt.zero_grad()",
            "zero=pass;epoch=self.network.zero_grad()",
        ),
    ),
    "step before the forward pass": (
        ("steps", "step before the forward pass"),
        (
            "zero=optimizer.step(); optimizer.zero_grad();step=pass",
            "zero=pass;loss=(training and (opt.step(), opt.zero_grad()), criterion(net(x), y))[1];step=pass",
            "zero=self.optimiser.step(); self.network.zero_grad();step=pass",
        ),
    ),
    "gradient zeroed between backward pass and step": (
        ("steps", "parameters never changed"),
        (
            "backward=loss.backward(); optimizer.zero_grad()",
            "backward=value.backward(); opt.zero_grad()",
            "backward=error.backward(); self.network.zero_grad()",
        ),
    ),
    "no step": (("steps", "parameters never changed"), ("step=pass", "step=pass", "step=pass")),
    "two steps a batch": (
        ("steps", "two steps with each gradient"),
        (
            "step=optimizer.step(); optimizer.step()",
            "step=opt.step(); opt.step()",
            "step=self.optimiser.step(); self.optimiser.step()",
        ),
    ),
    "one step an epoch": (
        ("steps", "one step an epoch, with the sum of its gradients"),
        (
            "zero=pass;epoch=optimizer.zero_grad();step=if number == len(train_loader) - 1: optimizer.step()",
            "zero=pass;epoch=opt.zero_grad();step=if n == len(loader) - 1: opt.step()",
            "zero=pass;epoch=self.optimiser.zero_grad();step=pass;average=(self.optimiser.step(), parts[0])[1]",
        ),
    ),
    "loss multiplied by the batch size": (
        ("steps", "gradient multiplied by the batch size"),
        (
            "loss=loss_fn(outputs, labels) * len(imgs)",
            "loss=criterion(net(x), y) * len(y)",
            "loss=len(data) * self.cost(self.network(data), target)",
        ),
    ),
    "loss divided by the batch size": (
        ("steps", "gradient divided by the batch size"),
        (
            "loss=loss_fn(outputs, labels) / len(imgs)",
            "loss=criterion(net(x), y) / x.size(0)",
            "loss=self.cost(self.network(data), target) / len(data)",
        ),
    ),
    "loss maximised": (
        ("steps", "step uphill"),
        (
            "loss=-loss_fn(outputs, labels)",
            "loss=-criterion(net(x), y)",
            "loss=-1 * self.cost(self.network(data), target)",
        ),
    ),
    "one epoch too few": (
        ("steps", "goes through the training data 2 times in 3 epochs"),
        ("epochs=n_epochs - 1", "epochs=epochs - 1", "epochs=1, num_epochs"),
    ),
    "one epoch too many": (
        ("steps", "goes through the training data 4 times in 3 epochs"),
        ("epochs=n_epochs + 1", "epochs=epochs + 1", "epochs=0, num_epochs + 1"),
    ),
    "first batch of each epoch left out": (
        ("steps", "no step on the first batch of an epoch"),
        ("skip=number == 0", "skip=n == 0", "skip=k == 0"),
    ),
    "last batch of each epoch left out": (
        ("steps", "no step on the last batch of an epoch"),
        ("skip=number == len(train_loader) - 1", "skip=n == len(loader) - 1", "skip=len(data) < 4"),
    ),
    "a copy of the model trained": (
        ("steps", "parameters never changed"),
        (
            "before=import copy; model = copy.deepcopy(model)",
            "before=import copy; model = copy.deepcopy(model)",
            "before=import copy; trainer.network = copy.deepcopy(net)",
        ),
    ),
    "weights drawn anew": (
        ("steps", "the parameters are changed before the first batch"),
        (
            "before=for layer in model.fc.values(): layer.reset_parameters()",
            "before=[layer.reset_parameters() for layer in model.fc.values()]",
            "before=for p in net.parameters(): torch.nn.init.normal_(p)",
        ),
    ),
    "training in evaluation mode after the first validation": (
        ("modes", "trains in evaluation mode from epoch 2 on"),
        (
            "before=model.train();mode=pass",
            "before=model.train();mode=pass",
            "before=net.train();mode=pass",
        ),
    ),
    "training in evaluation mode": (
        ("modes", "trains in evaluation mode from epoch 1 on"),
        ("mode=model.eval()", "mode=model.train(False)", "mode=self.network.eval()"),
    ),
    "validation in training mode": (
        ("modes", "validates in training mode"),
        ("eval=pass", "eval=pass", "eval=pass"),
    ),
    "validation that trains": (
        ("validation", "the parameters change while the validation batches are processed"),
        (
            "validate=torch.set_grad_enabled(True); [(optimizer.zero_grad(), loss_fn(model(v), t).backward(), "
            "optimizer.step()) for v, t in val_loader]",
            "validate=torch.set_grad_enabled(True); run(model, valid_dl, criterion, optim, True)",
            "validate=[self.batch(v, t, False) for v, t in loader]",
        ),
    ),
    "loss averaged over the batches": (
        ("losses", "is the mean over the batches"),
        (
            "count=total += loss.item();average=total / len(train_loader)",
            "count=summed += float(value); size += 1",
            "weight= ;average=torch.stack(parts).mean()",
        ),
    ),
    "loss summed over the batches": (
        ("losses", "is the sum over the batches"),
        (
            "count=total += loss.item();average=total",
            "count=summed += float(value);average=summed",
            "weight= ;average=torch.stack(parts).sum()",
        ),
    ),
    "loss of the last batch": (
        ("losses", "is the loss of the last batch"),
        ("average=loss.item()", "average=float(value)", "weight= ;average=parts[-1]"),
    ),
    "weights disturbed at random": (
        ("repeatable", "gives other parameters when called again"),
        (
            "before=torch.seed(); [p.data.add_(1e-9 * torch.randn_like(p)) for p in model.parameters()]",
            "before=torch.seed(); [p.data.mul_(1 + 1e-9 * torch.randn(())) for p in model.parameters()]",
            "before=torch.seed(); net.fc['1'].bias.data.add_(1e-8 * torch.randn(()))",
        ),
    ),
}


def planted(source: str, changes: str = ""):
    """The function `train` defined by a source with changes such as "zero=pass;skip=number == 0"."""
    texts = dict(change.split("=", 1) for change in re.split(r";(?=[a-z]+=)", changes)) if changes else {}

    def chosen(match):
        return texts.pop(match[1], match[2])

    text = re.sub(r"<<(\w+):(.*?)>>", chosen, source)
    assert not texts, f"no place for {texts}"
    scope: dict = {}
    exec(compile(text, "submission.py", "exec"), scope)
    return scope["train"]
