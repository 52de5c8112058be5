"""Every misuse of a public function raises one error that says what was given and what is expected."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from handgrad import (
    Batches,
    History,
    MyMLP,
    MyNet,
    accuracy,
    backpropagation,
    check_against_autograd,
    check_gradients,
    compare_models,
    load_cifar2,
    train,
    train_manual_backprop,
    train_manual_update,
)
from handgrad.gradcheck import gradients_by_hand, sweep_epsilon

LOSS = nn.CrossEntropyLoss()
INPUTS = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(6, 4)
LABELS = torch.tensor([0, 1, 0, 1, 0, 1])
TARGETS = functional.one_hot(LABELS, 2).double()
LOADER = [(INPUTS, LABELS)]


def model():
    torch.manual_seed(0)
    return MyMLP(4, (3,), 2).double()


def sgd(parameters):
    return torch.optim.SGD(parameters, lr=0.1)


def without_bias():
    network = model()
    network.fc["1"] = nn.Linear(4, 3, bias=False).double()
    return network


def frozen():
    return model().requires_grad_(False)


def shared():
    network = MyNet([4, 4, 4]).double()
    network.fc["2"] = network.fc["1"]
    return network


def by_torch(network=None, loss_fn=LOSS, loader=LOADER, *more, epochs=1, **settings):
    network = model() if network is None else network
    optimizer = settings.pop("optimizer", None) or sgd([*network.parameters()])
    return train(epochs, optimizer, network, loss_fn, loader, *more, **settings)


def by_update(network=None, loss_fn=LOSS, loader=LOADER, *more, lr=0.1, epochs=1, **settings):
    return train_manual_update(
        epochs, lr, model() if network is None else network, loss_fn, loader, *more, **settings
    )


def by_hand(network=None, loss_fn=LOSS, loader=LOADER, *more, lr=0.1, epochs=1, **settings):
    return train_manual_backprop(
        epochs, lr, model() if network is None else network, loss_fn, loader, *more, **settings
    )


def compare(hyperparameters=({"lr": 0.1},), make=model, loader=LOADER, val_loader=None, epochs=1, **settings):
    return compare_models(hyperparameters, make, LOSS, loader, val_loader, epochs, **settings)


def backprop(y_true=LABELS, y_pred=None, loss="cross_entropy", network=None, forward=True):
    network = model() if network is None else network
    outputs = network(INPUTS) if forward else torch.zeros(6, 2, dtype=torch.float64)
    backpropagation(network, y_true, outputs if y_pred is None else y_pred, loss)


def check(network=None, inputs=INPUTS, y_true=LABELS, loss="cross_entropy", *more, **settings):
    return check_gradients(model() if network is None else network, inputs, y_true, loss, *more, **settings)


def gradients():
    return gradients_by_hand(model(), INPUTS, LABELS, "cross_entropy")


def shuffling_loader():
    generator = torch.Generator().manual_seed(0)
    return DataLoader(TensorDataset(INPUTS, LABELS), batch_size=2, shuffle=True, generator=generator)


def one_shot():
    return iter(LOADER)


# Name: the call, the error, and words in its message.
CASES = {
    # what is trained
    "Sequential by hand": (
        lambda: by_hand(nn.Sequential(nn.Linear(4, 2))),
        TypeError,
        "model is a Sequential, without L, fc, df, z, a, dL_dw, dL_db; expected a MyNet, a MyMLP",
    ),
    "a class for a model": (
        lambda: by_hand(MyMLP),
        TypeError,
        r"model is the class MyMLP; expected an instance, such as MyMLP\(...\)",
    ),
    "a class for a model, by autograd": (
        lambda: train(1, sgd(model().parameters()), MyMLP, LOSS, LOADER),
        TypeError,
        "model is the class MyMLP; expected an instance",
    ),
    "no model": (
        lambda: by_update(lambda x: x),
        TypeError,
        "model is a function; expected a torch.nn.Module",
    ),
    "None for a model": (
        lambda: train_manual_update(1, 0.1, None, LOSS, LOADER),
        TypeError,
        "model is None; expected a torch.nn.Module",
    ),
    "bias=False": (
        lambda: by_hand(without_bias()),
        ValueError,
        r"model.fc\['1'\].bias is None; expected layers with weight and bias",
    ),
    "nothing to train, by hand": (
        lambda: by_hand(frozen()),
        ValueError,
        "requires a gradient; there is nothing",
    ),
    "nothing to train, by update": (
        lambda: by_update(frozen()),
        ValueError,
        "none of the model's 4 parameters requires a gradient",
    ),
    "nothing to train, by autograd": (
        lambda: by_torch(frozen()),
        ValueError,
        "none of the model's 4 parameters requires a gradient",
    ),
    "a shared layer by hand": (
        lambda: by_hand(shared()),
        ValueError,
        r"fc\['2'\].weight is model.fc\['1'\].weight; expected layers that share no parameter",
    ),
    # the optimizer and its settings
    "lr for the optimizer": (
        lambda: by_torch(optimizer=0.1),
        TypeError,
        r"optimizer is 0.1; expected one of torch.optim, such as torch.optim.SGD\(model.parameters\(\)",
    ),
    "an optimizer of another model": (
        lambda: by_torch(optimizer=sgd(model().parameters())),
        ValueError,
        "optimizer has none of the model's parameters",
    ),
    "an optimizer for lr": (
        lambda: by_update(lr=sgd(model().parameters())),
        TypeError,
        "lr is a SGD; expected a number",
    ),
    "negative lr": (lambda: by_hand(lr=-1.0), ValueError, "lr is -1.0; expected a finite number, at least 0"),
    "lr of NaN": (lambda: by_update(lr=float("nan")), ValueError, "lr is nan; expected a finite number"),
    "lr as text": (lambda: by_hand(lr="0.1"), TypeError, "lr is '0.1'; expected a number"),
    "negative weight decay": (
        lambda: by_update(weight_decay=-0.1),
        ValueError,
        "weight_decay is -0.1; expected a finite number, at least 0",
    ),
    "negative momentum": (lambda: by_hand(momentum=-0.9), ValueError, "momentum is -0.9; expected"),
    "nesterov without momentum": (
        lambda: by_hand(nesterov=True),
        ValueError,
        "nesterov with momentum 0.0 and dampening 0.0; expected a momentum above 0 and no dampening",
    ),
    "nesterov with dampening": (
        lambda: by_update(momentum=0.9, dampening=0.1, nesterov=True),
        ValueError,
        "nesterov with momentum 0.9 and dampening 0.1",
    ),
    "too few momentum buffers": (
        lambda: by_update(momentum=0.9, momentum_buffers=[None] * 3),
        ValueError,
        "3 momentum buffers for 4 parameters; expected one for each",
    ),
    "no momentum buffers in a list": (
        lambda: by_hand(momentum=0.9, momentum_buffers=[]),
        ValueError,
        "0 momentum buffers for 4 parameters",
    ),
    "a momentum buffer of another shape": (
        lambda: by_hand(momentum=0.9, momentum_buffers=[torch.zeros(2), None, None, None]),
        ValueError,
        r"momentum_buffers\[0\] has the shape \[2\]; expected \[3, 4\]",
    ),
    # the loss
    "a loss's name": (
        lambda: by_torch(loss_fn="cross_entropy"),
        TypeError,
        "loss_fn is 'cross_entropy'; expected a function of outputs and labels, such as nn.Cross",
    ),
    "a loss's name, by hand": (
        lambda: by_hand(loss_fn="mse"),
        TypeError,
        "loss_fn is 'mse'; expected a function",
    ),
    "a loss's class": (
        lambda: by_update(loss_fn=nn.CrossEntropyLoss),
        TypeError,
        r"loss_fn is the class CrossEntropyLoss; expected an instance, such as nn.CrossEntropyLoss\(\)",
    ),
    "a loss's class, by hand": (
        lambda: by_hand(loss_fn=nn.MSELoss),
        TypeError,
        "loss_fn is the class MSELoss",
    ),
    "label smoothing": (
        lambda: by_hand(loss_fn=nn.CrossEntropyLoss(label_smoothing=0.1)),
        ValueError,
        r"loss_fn is CrossEntropyLoss\(label_smoothing=0.1\); .* with its default settings",
    ),
    "class weights": (
        lambda: by_hand(loss_fn=nn.CrossEntropyLoss(weight=torch.ones(2))),
        ValueError,
        r"loss_fn is CrossEntropyLoss\(weight=...\)",
    ),
    "another loss by hand": (
        lambda: by_hand(loss_fn=nn.L1Loss()),
        ValueError,
        r"loss_fn is L1Loss\(\); backpropagation by hand knows two losses: expected nn.CrossEntropyLoss\(\)",
    ),
    "a loss for each sample": (
        lambda: by_torch(loss_fn=nn.CrossEntropyLoss(reduction="none")),
        ValueError,
        r"loss_fn returns the shape \[6\]; expected one value",
    ),
    "a loss that returns a number": (
        lambda: by_update(loss_fn=lambda outputs, labels: 1.0),
        TypeError,
        "loss_fn returns 1.0; expected a torch.Tensor with one value",
    ),
    # the loaders
    "a float for the validation loader": (
        lambda: by_hand(None, LOSS, LOADER, 0.01),
        TypeError,
        "val_loader is 0.01; expected batches of inputs and labels .*, or None; weight_decay comes after it",
    ),
    "a float for the validation loader, by update": (
        lambda: by_update(None, LOSS, LOADER, 0.01),
        TypeError,
        "val_loader is 0.01; expected batches",
    ),
    "a tensor for a loader": (
        lambda: by_torch(loader=INPUTS),
        TypeError,
        r"train_loader is a tensor of the shape \[6, 4\]; expected batches",
    ),
    "None for a loader": (lambda: by_hand(loader=None), TypeError, "train_loader is None; expected batches"),
    "a one-shot generator": (
        lambda: by_hand(loader=one_shot(), epochs=2),
        ValueError,
        "train_loader is a list_iterator, which can be iterated once; expected one .* iterated 2 times",
    ),
    "a one-shot validation generator": (
        lambda: by_update(None, LOSS, LOADER, one_shot(), epochs=3),
        ValueError,
        "val_loader is a list_iterator, which can be iterated once",
    ),
    "an empty loader": (lambda: by_torch(loader=[]), ValueError, "train_loader has no batches"),
    "a negative number of epochs": (
        lambda: by_hand(epochs=-1),
        ValueError,
        "n_epochs is -1; expected at least 0",
    ),
    "epochs as a float": (lambda: by_update(epochs=1.5), TypeError, "n_epochs is 1.5; expected an integer"),
    "the losses for the history": (
        lambda: by_torch(history=[0.7, 0.6]),
        TypeError,
        "history is a list of 2; expected a History or None",
    ),
    "no function after an epoch": (
        lambda: by_hand(after_epoch=History()),
        TypeError,
        "after_epoch is a History; expected a function or None",
    ),
    "gradient checks every -1 epochs": (
        lambda: by_hand(gradient_check_every=-1),
        ValueError,
        "gradient_check_every is -1; expected at least 0",
    ),
    # the batches
    "labels as numpy": (
        lambda: by_torch(loader=[(INPUTS, LABELS.numpy())]),
        TypeError,
        r"train_loader: the labels are a ndarray; expected a torch.Tensor \(torch.as_tensor makes one\)",
    ),
    "labels as a list": (
        lambda: by_hand(loader=[(INPUTS, [0, 1, 0, 1, 0, 1])]),
        TypeError,
        "train_loader: the labels are a list of 6; expected a torch.Tensor",
    ),
    "inputs without labels": (
        lambda: by_update(loader=[INPUTS]),
        TypeError,
        r"train_loader yields a tensor of the shape \[6, 4\]; expected pairs of inputs and labels",
    ),
    "an empty batch": (
        lambda: by_hand(loader=[(INPUTS[:0], LABELS[:0])]),
        ValueError,
        "train_loader yields an empty batch; expected at least one sample",
    ),
    "more inputs than labels": (
        lambda: by_torch(loader=[(INPUTS, LABELS[:5])]),
        ValueError,
        "train_loader: 6 inputs .* and 5 labels .*; expected as many of both",
    ),
    "a single sample": (
        lambda: by_hand(loader=[(INPUTS[0], LABELS[:4])]),
        ValueError,
        r"the inputs have the shape \[4\]; expected a batch, \[batch, 4\]; a single sample needs a batch",
    ),
    "a single sample and its label": (
        lambda: by_torch(loader=[(INPUTS[0], LABELS[0])]),
        ValueError,
        "the labels are a single value; expected a batch",
    ),
    "integer images": (
        lambda: by_hand(loader=[(INPUTS.to(torch.uint8), LABELS)]),
        ValueError,
        "the inputs are torch.uint8, the model's parameters float64; convert the inputs",
    ),
    "integer images, by autograd": (
        lambda: by_torch(loader=[(INPUTS.to(torch.uint8), LABELS)]),
        ValueError,
        "cannot take a batch of inputs, torch.uint8",
    ),
    "float64 data for a float32 network": (
        lambda: by_hand(MyMLP(4, (3,), 2)),
        ValueError,
        r"the inputs are torch.float64, the model's parameters float32; convert .*model.to\(torch.float64\)",
    ),
    "float64 data for a float32 network, by autograd": (
        lambda: by_torch(MyMLP(4, (3,), 2)),
        ValueError,
        r"the inputs are torch.float64, the model's parameters float32; convert .*model.to\(torch.float64\)",
    ),
    "inputs of another width": (
        lambda: by_hand(MyMLP(5, (3,), 2).double()),
        ValueError,
        r"the inputs have the shape \[6, 4\], 4 values for each sample; expected 5",
    ),
    "inputs of another width, by update": (
        lambda: by_update(nn.Linear(5, 2).double()),
        ValueError,
        r"the model or loss_fn cannot take a batch of inputs, torch.float64 \[6, 4\]",
    ),
    "one-hot labels with cross entropy": (
        lambda: by_hand(loader=[(INPUTS, TARGETS)]),
        ValueError,
        r"expected class indices, torch.int64 of the shape \[6\]; of one-hot labels, argmax\(dim=1\)",
    ),
    "labels as float": (
        lambda: by_hand(loader=[(INPUTS, LABELS.double())]),
        ValueError,
        "the labels are torch.float64 .*; expected class indices",
    ),
    "a label beyond the classes, by hand": (
        lambda: by_hand(loader=[(INPUTS, LABELS + 1)]),
        ValueError,
        "y_true has classes from 1 to 2; expected 0 to 1",
    ),
    "a label beyond the classes, by autograd": (
        lambda: by_torch(loader=[(INPUTS, LABELS + 1)]),
        ValueError,
        r"cannot take a batch .* labels, torch.int64 \[6\] from 1 to 2: Target 2 is out of bounds",
    ),
    "a negative label": (
        lambda: by_update(loader=[(INPUTS, LABELS - 1)]),
        ValueError,
        "labels, torch.int64 .* from -1 to 0",
    ),
    "labels that enlarge the outputs of a squared error": (
        lambda: by_torch(loss_fn=nn.MSELoss(), loader=[(INPUTS, LABELS.double())]),
        ValueError,
        r"the labels have the shape \[6\]; expected that of the outputs, \[6, 2\]",
    ),
    "labels that enlarge the outputs of a squared error, by hand": (
        lambda: by_hand(loss_fn=nn.MSELoss(), loader=[(INPUTS, LABELS.double())]),
        ValueError,
        r"the labels are torch.float64 of the shape \[6\]; expected the shape of the outputs, \[6, 2\]",
    ),
    "outputs of one value for each sample": (
        lambda: by_update(nn.Sequential(nn.Linear(4, 1), nn.Flatten(0)).double(), nn.MSELoss()),
        ValueError,
        r"the model's outputs have the shape \[6\]; expected \[6, classes\]",
    ),
    "outputs that are no tensor": (
        lambda: by_torch(nn.LSTM(4, 2).double()),
        TypeError,
        "the model's outputs are a tuple of 2; expected a torch.Tensor",
    ),
    # Batches and accuracy
    "Batches of numpy": (
        lambda: Batches(INPUTS.numpy(), LABELS, 2),
        TypeError,
        r"inputs is of type ndarray; expected a torch.Tensor \(torch.as_tensor\(inputs\) makes one\)",
    ),
    "Batches of unequal length": (
        lambda: Batches(INPUTS, LABELS[:5], 2),
        ValueError,
        "6 inputs and 5 labels",
    ),
    "a batch size of 0": (
        lambda: Batches(INPUTS, LABELS, 0),
        ValueError,
        "batch_size is 0; expected at least 1",
    ),
    "a batch size of 2.5": (
        lambda: Batches(INPUTS, LABELS, 2.5),
        TypeError,
        "batch_size is 2.5; expected an integer",
    ),
    "shuffle_seed=-1": (
        lambda: Batches(INPUTS, LABELS, 2, shuffle_seed=-1),
        ValueError,
        "shuffle_seed is -1; expected at least 0",
    ),
    "shuffle_seed=True": (
        lambda: Batches(INPUTS, LABELS, 2, shuffle_seed=True),
        TypeError,
        "shuffle_seed is True; expected an integer",
    ),
    "accuracy of a class": (lambda: accuracy(MyMLP, LOADER), TypeError, "model is the class MyMLP"),
    "accuracy on a tensor": (lambda: accuracy(model(), INPUTS), TypeError, "loader is a tensor"),
    "accuracy on nothing": (lambda: accuracy(model(), []), ValueError, "loader has no batches"),
    # networks
    "one width": (lambda: MyNet([4]), ValueError, r"n_l is \[4\]; expected at least two"),
    "a width of 0": (lambda: MyNet([4, 0, 2]), ValueError, r"n_l is \[4, 0, 2\]; expected"),
    "an unknown activation": (lambda: MyNet([4, 2], "swish"), ValueError, "no activation is named 'swish'"),
    "too few activations": (lambda: MyNet([4, 3, 2], ["relu"]), ValueError, "1 activations for 2 layers"),
    # backpropagation
    "backpropagation before a forward pass": (lambda: backprop(forward=False), ValueError, "has run forward"),
    "an unknown loss": (lambda: backprop(loss="hinge"), ValueError, "no loss is named 'hinge'"),
    "one-hot targets for backpropagation": (
        lambda: backprop(TARGETS),
        ValueError,
        "y_true is torch.float64 .*; expected class indices",
    ),
    "a class beyond the outputs": (
        lambda: backprop(LABELS + 1),
        ValueError,
        "classes from 1 to 2; expected 0 to 1",
    ),
    "targets that enlarge the outputs": (
        lambda: backprop(torch.zeros(6, 6, 2, dtype=torch.float64), loss="squared_error"),
        ValueError,
        r"y_true has the shape \[6, 6, 2\]; expected that of y_pred, \[6, 2\]",
    ),
    # gradient checks
    "gradient check of a Sequential": (
        lambda: check(nn.Sequential(nn.Linear(4, 2))),
        TypeError,
        "model is a Sequential, without L",
    ),
    "gradient check without bias": (lambda: check(without_bias()), ValueError, r"fc\['1'\].bias is None"),
    "gradient check with an unknown loss": (
        lambda: check(loss="hinge"),
        ValueError,
        "no loss is named 'hinge'",
    ),
    "gradient check of one-hot labels": (lambda: check(y_true=TARGETS), ValueError, "expected class indices"),
    "gradient check of a single sample": (
        lambda: check(inputs=INPUTS[0], y_true=LABELS[:4]),
        ValueError,
        "a single sample needs a batch dimension",
    ),
    "too few gradients": (
        lambda: check(None, INPUTS, LABELS, "cross_entropy", gradients()[:3]),
        ValueError,
        "3 gradients; expected 4, for the weight and the bias of each layer",
    ),
    "too few gradients, against autograd": (
        lambda: check_against_autograd(model(), INPUTS, LABELS, "cross_entropy", gradients()[:1]),
        ValueError,
        "1 gradients; expected 4",
    ),
    "one gradient": (
        lambda: check(None, INPUTS, LABELS, "cross_entropy", gradients()[0]),
        TypeError,
        r"gradients is a tensor of the shape \[3, 4\]; expected a list",
    ),
    "a sample of none": (
        lambda: check(n_samples_per_layer=0),
        ValueError,
        "n_samples_per_layer is 0; expected",
    ),
    "epsilon 0": (lambda: check(epsilon=0.0), ValueError, "epsilon is 0.0; expected a number above 0"),
    "a tolerance of 0": (
        lambda: check(tolerance=0.0),
        ValueError,
        "tolerance is 0.0; expected a number above 0",
    ),
    "gradient check in bfloat16": (
        lambda: check(model().bfloat16(), INPUTS.bfloat16()),
        ValueError,
        "the model's parameters are torch.bfloat16; expected float64 or float32",
    ),
    "a sweep in float32": (
        lambda: sweep_epsilon(model().float(), INPUTS.float(), LABELS, "cross_entropy"),
        ValueError,
        r"the model's parameters are torch.float32; expected float64: model.double\(\)",
    ),
    # comparisons
    "one combination": (
        lambda: compare({"lr": 0.1}),
        TypeError,
        "hyperparameters is a dict; expected a list of combinations",
    ),
    "an unknown hyperparameter": (
        lambda: compare([{"learning_rate": 0.1}]),
        ValueError,
        "no hyperparameter is named 'learning_rate'; expected some of lr, weight_decay",
    ),
    "a combination without lr": (lambda: compare([{"momentum": 0.9}]), ValueError, "has no lr"),
    "a combination that is a number": (lambda: compare([0.1]), TypeError, "is 0.1; expected a dictionary"),
    "a second combination out of range": (
        lambda: compare([{"lr": 0.1}, {"lr": -1.0}]),
        ValueError,
        "lr is -1.0; expected",
    ),
    "a model in place of its maker": (
        lambda: compare(make=model()),
        TypeError,
        "make_model is a MyMLP; expected a function that makes a new model",
    ),
    "a maker of one model": (
        lambda: compare(make=same_maker()),
        ValueError,
        "make_model returns the same model twice",
    ),
    "a maker with a generator of its own": (
        lambda: compare(make=random_maker()),
        ValueError,
        "make_model gives other weights each time",
    ),
    "a loader that shuffles anew": (
        lambda: compare(loader=shuffling_loader()),
        ValueError,
        r"train_loader yields other batches each time, .*: Batches\(..., shuffle_seed=0\)",
    ),
    "a validation loader that shuffles anew": (
        lambda: compare(val_loader=shuffling_loader()),
        ValueError,
        "val_loader yields other batches each time",
    ),
    "a one-shot loader for several trainers": (
        lambda: compare(loader=one_shot()),
        ValueError,
        "can be iterated once",
    ),
    "an unknown trainer": (lambda: compare(trainers=["adam"]), ValueError, "no trainer is named 'adam'"),
    "no trainers": (
        lambda: compare(trainers=[]),
        ValueError,
        "trainers is empty; expected at least one of train",
    ),
    "a trainer's name for the trainers": (
        lambda: compare(trainers="train"),
        TypeError,
        r"trainers is 'train'; expected a list, such as \['train'\]",
    ),
    "no epochs to compare": (lambda: compare(epochs=0), ValueError, "n_epochs is 0; expected at least 1"),
    # data
    "validation_fraction=1.5": (
        lambda: load_cifar2(".", validation_fraction=1.5),
        ValueError,
        "validation_fraction is 1.5; expected a number between 0 and 1",
    ),
    "validation_fraction as text": (
        lambda: load_cifar2(".", validation_fraction="10%"),
        TypeError,
        "validation_fraction is '10%'; expected a number",
    ),
    "the class plane": (
        lambda: load_cifar2(".", classes=("plane", "bird")),
        ValueError,
        "no class is named 'plane'; expected some of airplane, automobile, bird",
    ),
    "one class": (lambda: load_cifar2(".", classes=["bird"]), ValueError, "expected at least two, each once"),
    "a class twice": (
        lambda: load_cifar2(".", classes=["bird"] * 2),
        ValueError,
        "expected at least two, each once",
    ),
    "a class as text": (
        lambda: load_cifar2(".", classes="bird"),
        TypeError,
        r"classes is 'bird'; expected a list of names",
    ),
    "a seed of 0.5": (lambda: load_cifar2(".", seed=0.5), TypeError, "seed is 0.5; expected an integer"),
    "an archive for the folder": (
        lambda: load_cifar2(__file__),
        ValueError,
        r"expected the folder that holds cifar-10-batches-py; unpack the archive first \(tar xzf\)",
    ),
    "a folder without images": (
        lambda: load_cifar2("/"),
        ValueError,
        "root is '/'; expected the folder that holds cifar-10-batches-py",
    ),
}


def same_maker():
    network = model()
    return lambda: network


def random_maker():
    generator = torch.Generator().manual_seed(0)

    def make():
        network = model()
        nn.init.normal_(network.fc["1"].weight, generator=generator)
        return network

    return make


def test_there_are_at_least_sixty():
    assert len(CASES) >= 60


@pytest.mark.parametrize("name", CASES)
def test_a_wrong_use_is_one_clear_error(name):
    call, error, message = CASES[name]
    with pytest.raises(error, match=message) as raised:
        call()
    assert type(raised.value) in (TypeError, ValueError)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("trainer", [by_torch, by_update, by_hand])
@pytest.mark.parametrize(
    "wrong",
    [
        {"loader": [(INPUTS.float(), LABELS)]},
        {"loader": [(INPUTS, LABELS + 1)]},
        {"val_loader": 0.1},
        {"loss_fn": nn.CrossEntropyLoss},
        {"epochs": -1},
    ],
    ids=["dtype", "labels", "val_loader", "loss", "epochs"],
)
def test_nothing_is_trained_before_the_error(trainer, wrong):
    network = model()
    before = [parameter.detach().clone() for parameter in network.parameters()]
    with pytest.raises((TypeError, ValueError)):
        trainer(network, **wrong)
    assert all(map(torch.equal, before, network.parameters()))


def test_what_looks_wrong_and_is_not():
    by_hand(loss_fn=functional.cross_entropy)
    by_hand(loader=one_shot())
    by_torch(loader=[[INPUTS, LABELS]])
    by_hand(loss_fn=nn.MSELoss(), loader=[(INPUTS, TARGETS)])
    by_hand(loss_fn=nn.MSELoss(), loader=[(INPUTS, TARGETS[:, :1])])
    by_torch(loader=[(INPUTS, TARGETS)])  # class probabilities
    by_hand(loader=[(INPUTS.reshape(6, 2, 2), LABELS)])
    by_update(lr=np.float64(0.1))
    assert compare()[0].validation_accuracies == {}
