import copy
import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.utils.data import DataLoader, TensorDataset

from handgrad.data.batches import Batches
from handgrad.errors import GradientError
from handgrad.history import History
from handgrad.networks import MyMLP, MyNet
from handgrad.training import TRAINERS, accuracy, loss_name, train, train_manual_backprop, train_manual_update

SETTINGS = [
    {},
    {"weight_decay": 0.01},
    {"momentum": 0.9},
    {"weight_decay": 0.01, "momentum": 0.9},
    {"momentum": 0.9, "dampening": 0.3},
    {"weight_decay": 0.001, "momentum": 0.9, "nesterov": True},
]


def data(samples=50, dtype=torch.float64, seed=0):
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(samples, 12, generator=generator, dtype=dtype)
    return inputs, (inputs[:, 0] + inputs[:, 1] > 0).long()


def make_model(dtype=torch.float64):
    torch.manual_seed(256)
    return MyMLP(12, (16, 8), 2).to(dtype)


def run(trainer, model, training, validation, epochs=5, lr=0.05, loss_fn=None, **settings):
    loss_fn = loss_fn or nn.CrossEntropyLoss()
    if trainer is train:
        optimizer = torch.optim.SGD(model.parameters(), lr=lr, **settings)
        return train(epochs, optimizer, model, loss_fn, training, validation)
    return trainer(epochs, lr, model, loss_fn, training, validation, **settings)


def assert_same(histories, models):
    first = repr(vars(histories[0]))  # as strings, so that NaN equals NaN
    assert all(repr(vars(history)) == first for history in histories)
    for model in models[1:]:
        pairs = zip(models[0].parameters(), model.parameters(), strict=True)
        assert all(torch.equal(p, q) or (p.isnan() == q.isnan()).all() for p, q in pairs)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize("settings", SETTINGS, ids=str)
def test_the_three_trainers_agree_to_the_bit(settings, dtype):
    # 50 samples in batches of 16: the last batch has 2.
    training, validation = Batches(*data(dtype=dtype), 16), Batches(*data(20, dtype, 1), 20)
    models = [make_model(dtype) for _ in range(3)]
    trainers = (train, train_manual_update, train_manual_backprop)
    histories = [
        run(trainer, model, training, validation, **settings)
        for trainer, model in zip(trainers, models, strict=True)
    ]
    assert len(set(histories[0].training_loss)) == 5
    assert_same(histories, models)


def test_a_diverging_run_ends_and_is_the_same_for_all_trainers():
    training, validation = Batches(*data(), 16), Batches(*data(20, seed=1), 20)
    models = [make_model() for _ in range(3)]
    trainers = (train, train_manual_update, train_manual_backprop)
    histories = [
        run(trainer, model, training, validation, lr=1e200, epochs=4)
        for trainer, model in zip(trainers, models, strict=True)
    ]
    assert all(history.epochs == 4 for history in histories)
    assert math.isnan(histories[0].training_loss[-1])
    assert histories[0].diverged_epoch == 1
    assert_same(histories, models)


def test_training_is_what_a_plain_pytorch_loop_does():
    inputs, labels = data()
    validation_inputs, validation_labels = data(20, seed=1)
    model, plain = make_model(), make_model()
    history = run(
        train_manual_backprop,
        model,
        Batches(inputs, labels, 16),
        Batches(validation_inputs, validation_labels, 20),
        epochs=3,
        momentum=0.9,
    )

    net = nn.Sequential(plain.fc["1"], nn.ReLU(), plain.fc["2"], nn.ReLU(), plain.fc["3"])
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    for epoch in range(3):
        losses, correct = 0.0, 0
        for x, y in zip(inputs.split(16), labels.split(16), strict=True):
            optimizer.zero_grad()
            logits = net(x)
            loss = functional.cross_entropy(logits, y)
            loss.backward()
            optimizer.step()
            losses += loss.item() * len(x)
            correct += (logits.argmax(1) == y).sum().item()
        with torch.no_grad():
            logits = net(validation_inputs)
        assert history.training_loss[epoch] == pytest.approx(losses / 50, rel=1e-14)
        assert history.training_accuracy[epoch] == correct / 50
        assert history.validation_loss[epoch] == functional.cross_entropy(logits, validation_labels).item()
        assert (
            history.validation_accuracy[epoch]
            == (logits.argmax(1) == validation_labels).double().mean().item()
        )
    assert all(map(torch.equal, model.parameters(), plain.parameters()))


def test_a_dataloader_gives_the_same_as_batches_in_memory():
    inputs, labels = data()
    one, other = make_model(), make_model()
    loader = DataLoader(TensorDataset(inputs, labels), batch_size=16)
    histories = [
        run(train_manual_backprop, one, Batches(inputs, labels, 16), None),
        run(train_manual_backprop, other, loader, None),
    ]
    assert_same(histories, [one, other])
    assert histories[0].validation_loss == histories[0].validation_accuracy == []


@pytest.mark.parametrize("loss_fn", [nn.MSELoss(), nn.MSELoss(reduction="sum")], ids=["mean", "sum"])
def test_the_trainers_agree_on_squared_errors_of_one_hot_targets(loss_fn):
    inputs, labels = data()
    targets = functional.one_hot(labels, 2).double()
    models, histories = [], []
    for trainer in (train, train_manual_update, train_manual_backprop):
        torch.manual_seed(0)
        models.append(MyNet([12, 8, 2], "tanh").double())
        histories.append(
            run(trainer, models[-1], Batches(inputs, targets, 16), None, lr=0.001, loss_fn=loss_fn)
        )
    for history in histories[1:]:
        assert history.training_loss == pytest.approx(histories[0].training_loss, rel=1e-12)
        assert history.training_accuracy == histories[0].training_accuracy


def test_backpropagation_by_hand_needs_no_autograd(monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("autograd was used")

    monkeypatch.setattr(torch.Tensor, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "backward", refuse)
    monkeypatch.setattr(torch.autograd, "grad", refuse)
    model = make_model()
    with torch.autograd.graph.saved_tensors_hooks(refuse, refuse):
        history = run(train_manual_backprop, model, Batches(*data(), 16), Batches(*data(20, seed=1), 20))
    assert history.training_loss[-1] < history.training_loss[0]
    assert all(parameter.grad is None for parameter in model.parameters())


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_a_training_in_two_parts_is_one_training(trainer):
    training, validation = Batches(*data(), 16), Batches(*data(20, seed=1), 20)
    whole, parts = make_model(), make_model()
    loss_fn = nn.CrossEntropyLoss()
    expected = trainer(6, 0.05, whole, loss_fn, training, validation, momentum=0.9)

    buffers = [None] * 6
    history = trainer(2, 0.05, parts, loss_fn, training, validation, momentum=0.9, momentum_buffers=buffers)
    seen = []
    history = trainer(
        6,
        0.05,
        parts,
        loss_fn,
        training,
        validation,
        momentum=0.9,
        momentum_buffers=buffers,
        history=copy.deepcopy(history),
        after_epoch=lambda history: seen.append(history.epochs),
    )
    assert seen == [3, 4, 5, 6]
    assert_same([expected, history], [whole, parts])


class TheirNet(nn.Module):
    """A network as written by students of the course, with its own activations."""

    def __init__(self):
        super().__init__()
        self.L, self.n_l = 2, [12, 8, 2]
        self.fc = nn.ModuleDict({"1": nn.Linear(12, 8), "2": nn.Linear(8, 2)})
        self.f = {1: torch.relu, 2: lambda z: z}
        self.df = {1: lambda z: (z > 0).to(z.dtype), 2: torch.ones_like}
        self.z, self.a, self.dL_dw, self.dL_db = {}, {}, {}, {}

    def forward(self, x):
        self.a[0] = torch.flatten(x, 1)
        for layer in range(1, self.L + 1):
            self.z[layer] = self.fc[str(layer)](self.a[layer - 1])
            self.a[layer] = self.f[layer](self.z[layer])
        return self.a[self.L]


class Doubled(MyMLP):
    def forward(self, x):
        return super().forward(2 * x)


class Slope(MyMLP):
    """A custom leaky relu: an activation that handgrad does not provide."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.f[1] = lambda z: torch.where(z > 0, z, z / 4)
        self.df[1] = lambda z: torch.where(z > 0, 1.0, 0.25).to(z.dtype)


@pytest.mark.parametrize(
    "make",
    [TheirNet, lambda: Doubled(12, (8,), 2), lambda: Slope(12, (8,), 2)],
    ids=["theirs", "forward", "f"],
)
def test_the_trainers_agree_on_models_that_are_not_plain_mynets(make):
    training, validation = Batches(*data(), 16), Batches(*data(20, seed=1), 20)
    models, histories = [], []
    for trainer in (train, train_manual_update, train_manual_backprop):
        torch.manual_seed(0)
        models.append(make().double())
        histories.append(run(trainer, models[-1], training, validation, momentum=0.9, weight_decay=0.01))
    assert histories[0].training_loss[-1] < histories[0].training_loss[0]
    assert_same(histories, models)


def test_a_wrong_derivative_is_not_passed_over_by_the_fast_path():
    model = make_model()
    model.df[1] = torch.ones_like
    with pytest.raises(GradientError, match="layer 1"):
        train_manual_backprop(
            1, 0.05, model, nn.CrossEntropyLoss(), Batches(*data(), 16), gradient_check_every=1
        )


def test_parameters_that_need_no_gradient_stay_as_they_are():
    models = [make_model() for _ in range(3)]
    start = models[0].fc["2"].weight.clone()
    for model in models:
        model.fc["2"].weight.requires_grad_(False)
    histories = [
        run(trainer, model, Batches(*data(), 16), None, momentum=0.9)
        for trainer, model in zip((train, train_manual_update, train_manual_backprop), models, strict=True)
    ]
    assert torch.equal(models[2].fc["2"].weight, start)
    assert not torch.equal(models[1].fc["1"].weight, make_model().fc["1"].weight)
    assert_same(histories, models)


def test_gradient_checks_during_training_change_nothing(caplog):
    caplog.set_level("INFO")
    checked, unchecked = make_model(), make_model()
    training = Batches(*data(), 16)
    loss_fn = nn.CrossEntropyLoss()
    histories = [
        train_manual_backprop(4, 0.05, checked, loss_fn, training, gradient_check_every=2),
        train_manual_backprop(4, 0.05, unchecked, loss_fn, training),
    ]
    assert_same(histories, [checked, unchecked])
    assert [record.getMessage()[:8] for record in caplog.records if "checked" in record.getMessage()] == [
        "epoch 2:",
        "epoch 4:",
    ]


def test_gradient_checks_during_training_stop_a_wrong_gradient(monkeypatch):
    from handgrad import training as module

    class Wrong(module.Buffers):
        def backward(self, labels, loss="cross_entropy"):
            value = super().backward(labels, loss)
            self.gradients[2].mul_(1.01)
            return value

    monkeypatch.setattr(module, "Buffers", Wrong)
    with pytest.raises(GradientError, match=r"layer 2, weight\[\d+, \d+\]: the gradient is .* by hand and"):
        train_manual_backprop(
            1, 0.05, make_model(), nn.CrossEntropyLoss(), Batches(*data(), 16), gradient_check_every=1
        )


@pytest.mark.parametrize(
    ("loss_fn", "name"),
    [
        (nn.CrossEntropyLoss(), "cross_entropy"),
        (functional.cross_entropy, "cross_entropy"),
        (nn.MSELoss(), "mse"),
        (functional.mse_loss, "mse"),
        (nn.MSELoss(reduction="sum"), "squared_error"),
    ],
)
def test_loss_names(loss_fn, name):
    assert loss_name(loss_fn) == name


@pytest.mark.parametrize(
    "loss_fn",
    [nn.L1Loss(), nn.CrossEntropyLoss(label_smoothing=0.1), nn.CrossEntropyLoss(reduction="sum")],
    ids=str,
)
def test_other_losses_are_refused(loss_fn):
    with pytest.raises(ValueError, match=r"expected nn\.CrossEntropyLoss"):
        loss_name(loss_fn)


def test_an_empty_loader_is_refused():
    with pytest.raises(ValueError, match="train_loader has no batches"):
        train_manual_backprop(1, 0.1, make_model(), nn.CrossEntropyLoss(), [])


@pytest.mark.parametrize("trainer", TRAINERS.values(), ids=TRAINERS)
def test_shuffled_trainings_see_the_same_order_whoever_trains_and_from_which_epoch(trainer):
    inputs, labels = data()
    seen = []

    class Watched(Batches):
        def __iter__(self):
            for x, y in super().__iter__():
                seen.append(x[:, 0].tolist())
                yield x, y

    loss_fn = nn.CrossEntropyLoss()
    trainer(3, 0.05, make_model(), loss_fn, Watched(inputs, labels, 16, shuffle_seed=5))
    whole = list(seen)
    history = History([0.7], [], [0.5], [])
    seen.clear()
    trainer(3, 0.05, make_model(), loss_fn, Watched(inputs, labels, 16, shuffle_seed=5), history=history)
    assert seen == whole[4:]
    # Hard-coded, so that no release changes the order unnoticed: the first batch of the first epoch.
    order = np.random.default_rng([5, 1]).permutation(50)[:16]
    assert whole[0] == inputs[order, 0].tolist()


class Normalised(nn.Module):
    def __init__(self):
        super().__init__()
        self.norm, self.drop, self.out = nn.BatchNorm1d(12), nn.Dropout(0.5), nn.Linear(12, 2)
        self.double()

    def forward(self, x):
        return self.out(self.drop(self.norm(x)))


@pytest.mark.parametrize("trainer", [train, train_manual_update])
def test_validation_runs_in_evaluation_mode_and_teaches_batch_norm_nothing(trainer):
    training, validation = Batches(*data(), 16), Batches(data(20, seed=1)[0] + 100, data(20, seed=1)[1], 20)
    models = []
    for val_loader in (None, validation):
        torch.manual_seed(0)
        models.append(Normalised())
        models[-1].norm.eval()
        run(trainer, models[-1], training, val_loader, epochs=2)
        assert [module.training for module in models[-1].modules()] == [True, False, True, True]
    assert torch.equal(models[0].norm.running_mean, models[1].norm.running_mean)
    # Dropout drew no random numbers in validation: the trainings are identical.
    assert all(map(torch.equal, models[0].parameters(), models[1].parameters()))


def test_the_modes_come_back_after_a_failed_validation():
    model = make_model()
    with pytest.raises(ValueError, match="val_loader has no batches"):
        run(train, model, Batches(*data(), 16), [])
    assert model.training


def test_verbose_prints_a_line_for_each_epoch(capsys):
    train_manual_update(2, 0.05, make_model(), nn.CrossEntropyLoss(), Batches(*data(), 16), verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line[:25] for line in lines] == ["epoch 1/2: training loss ", "epoch 2/2: training loss "]


def test_a_progress_bar_counts_the_epochs(capsys):
    loss_fn = nn.CrossEntropyLoss()
    train_manual_backprop(2, 0.05, make_model(), loss_fn, Batches(*data(), 16), progress=True, verbose=True)
    captured = capsys.readouterr()
    assert "2/2" in captured.err
    assert "epoch 2/2: training loss" in captured.out


def test_accuracy_is_the_share_of_samples_whose_largest_output_is_their_class():
    identity = nn.Identity()
    outputs = torch.tensor([[2.0, 1.0], [0.0, 1.0], [3.0, 4.0], [1.0, 0.0]])
    assert (
        accuracy(identity, [(outputs[:3], torch.tensor([0, 1, 0])), (outputs[3:], torch.tensor([0]))]) == 0.75
    )
    assert accuracy(identity, [(outputs, functional.one_hot(torch.tensor([1, 1, 1, 1]), 2))]) == 0.5


def test_accuracy_is_measured_in_evaluation_mode():
    model = nn.Sequential(nn.Dropout(1.0))
    assert accuracy(model, [(torch.tensor([[0.0, 1.0]] * 9), torch.ones(9, dtype=torch.int64))]) == 1.0
    assert model.training
    assert model[0].training


def test_the_textbook_form_of_cross_entropy_trains_alike_but_not_to_the_bit():
    models = [make_model() for _ in range(2)]
    histories = [
        train_manual_backprop(20, 0.05, model, nn.CrossEntropyLoss(), Batches(*data(), 16), textbook=textbook)
        for model, textbook in zip(models, (False, True), strict=True)
    ]
    assert histories[1].training_loss != histories[0].training_loss
    assert histories[1].training_loss == pytest.approx(histories[0].training_loss, rel=1e-10)
    with pytest.raises(ValueError, match="textbook is True with MSELoss"):
        train_manual_backprop(1, 0.05, make_model(), nn.MSELoss(), Batches(*data(), 16), textbook=True)
