"""Train one network: one combination of hyperparameters, one seed, one trainer."""

import csv
import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

# Must be set before CUDA is initialised, for deterministic matrix products on a GPU:
# https://docs.nvidia.com/cuda/cublas/#results-reproducibility
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch
from safetensors.torch import save
from torch import Tensor, nn

from handgrad.checking.trainers import load_trainer
from handgrad.data.batches import Batches
from handgrad.data.cifar10 import read_split
from handgrad.errors import HandgradError
from handgrad.history import History
from handgrad.hyperparameters import HYPERPARAMETERS, Combination
from handgrad.networks import MyMLP
from handgrad.pipeline.fingerprints import fingerprint
from handgrad.records.metrics import Metrics
from handgrad.stages.checkpoints import load_checkpoint, save_checkpoint, settings_hash
from handgrad.stages.command_line import run_stage
from handgrad.stages.files import replacing, write_json
from handgrad.training import TRAINERS

DTYPES = {"float64": torch.float64, "float32": torch.float32}


@dataclass(frozen=True, kw_only=True)
class Options(Combination):
    train_data: Path
    validation_data: Path
    trainer: Annotated[str, "one of handgrad's, or NAME.PART of the implementation"]
    seed: int
    dtype: Literal["float64", "float32"]
    device: Literal["auto", "cpu", "cuda"]
    threads: int
    gradient_check_every: Annotated[int, "epochs; 0: never"]
    checkpoint_every: Annotated[int, "epochs; 0: never"]
    keep: Annotated[Literal["last", "best"], "the epoch whose parameters are the result"]
    output_model: Path
    output_history: Path
    output_metrics: Path
    output_predictions: Path
    implementation: Annotated[Path | None, "a file that defines the trainer"] = None


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    device = choose_device(options.device)
    shuffle_seed = options.seed if options.shuffle else None
    training = read_batches(options.train_data, options.batch_size, options.dtype, device, shuffle_seed)
    # Validation uses a single batch: no activations are kept for gradients.
    validation = read_batches(options.validation_data, None, options.dtype, device)
    classes = int(max(training.labels.max(), validation.labels.max())) + 1

    # Initialise the weights on the CPU, so that they are the same for every device.
    torch.manual_seed(options.seed)
    model = MyMLP(training.inputs.shape[1], options.hidden, classes, options.activation)
    model.to(device, DTYPES[options.dtype])
    with growing_history(options.output_history) as record:
        history = run_trainer(options, model, training, validation, record)

    write_model(options.output_model, model)
    write_predictions(options.output_predictions, model, validation)
    write_json(options.output_metrics, metrics(options, model, history))
    checkpoint_path(options).unlink(missing_ok=True)


def choose_device(name: str) -> torch.device:
    """Return the device called `name`; for a GPU, enable deterministic algorithms.

    Raises:
        HandgradError: if `name` is cuda and PyTorch finds no GPU.
    """
    if name == "cuda" and not torch.cuda.is_available():
        raise HandgradError("device is cuda, but PyTorch sees no GPU here; set device to cpu or auto")
    if name == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    torch.use_deterministic_algorithms(True)
    return torch.device("cuda")


def read_batches(
    path: Path, batch_size: int | None, dtype: str, device: torch.device, shuffle_seed: int | None = None
) -> Batches:
    """Read normalised, flattened images and their labels from a file; without `batch_size`, as one batch."""
    split = read_split(path)
    inputs = torch.from_numpy(split.normalised(dtype)).to(device)
    labels = torch.from_numpy(split.labels).to(device)
    return Batches(inputs, labels, batch_size or len(inputs), shuffle_seed=shuffle_seed)


def run_trainer(
    options: Options,
    model: MyMLP,
    training: Batches,
    validation: Batches,
    record: Callable[[History], None],
) -> History:
    """Train with the trainer given in the options, resuming from and writing checkpoints if enabled.

    The model ends with the parameters of the last or the best epoch, see the option `keep`; `record` is
    called with the history after each epoch.
    """
    history = History()
    best: dict[str, Tensor] = {}
    momentum_buffers: list[Tensor | None] = [None for _ in model.parameters()]
    checkpoint = checkpoint_path(options)
    # A submitted trainer cannot start in the middle, so it writes no checkpoints.
    checkpoint_every = 0 if options.implementation else options.checkpoint_every
    settings = ""
    if checkpoint_every:
        settings = settings_hash(training_settings(options), [options.train_data, options.validation_data])
        history, momentum_buffers, best = load_checkpoint(checkpoint, settings, model)
    record(history)
    best_epoch = history.best_epoch

    def after_epoch(history: History) -> None:
        nonlocal best_epoch
        record(history)
        if options.keep == "best" and history.better(history.epochs, best_epoch):
            best_epoch = history.epochs
            best.update({name: tensor.clone() for name, tensor in model.state_dict().items()})
        if checkpoint_every and history.epochs % checkpoint_every == 0:
            save_checkpoint(checkpoint, settings, model, momentum_buffers, history, best)

    more = {}
    if options.trainer == "train_manual_backprop":
        more = {"gradient_check_every": options.gradient_check_every}
    history = trainer_of(options)(
        options.epochs,
        **options.sgd,
        model=model,
        loss_fn=nn.CrossEntropyLoss(),
        train_loader=training,
        val_loader=validation,
        momentum_buffers=momentum_buffers,
        history=history,
        after_epoch=after_epoch,
        **more,
    )
    if best:
        model.load_state_dict(best)
    return history


def trainer_of(options: Options) -> Callable[..., History]:
    """Return the training function given in the options.

    Raises:
        HandgradError: if there is no such function.
    """
    if options.implementation is not None:
        return load_trainer(options.implementation, options.trainer.rpartition(".")[2])
    if options.trainer not in TRAINERS:
        raise HandgradError(f"--trainer is {options.trainer!r}; expected one of {', '.join(TRAINERS)}")
    return TRAINERS[options.trainer]


def checkpoint_path(options: Options) -> Path:
    return options.output_model.with_name("checkpoint.safetensors")


def training_settings(options: Options) -> dict[str, object]:
    """Return the settings that a checkpoint depends on, besides the data."""
    others = ("trainer", "seed", "dtype", "device", "threads", "keep")
    settings = {name: getattr(options, name) for name in (*HYPERPARAMETERS, *others)}
    return settings | {"code": fingerprint("train")}


def write_model(path: Path, model: MyMLP) -> None:
    with replacing(path) as temporary:
        temporary.write_bytes(save({name: tensor.cpu() for name, tensor in model.state_dict().items()}))


@contextmanager
def growing_history(path: Path) -> Iterator[Callable[[History], None]]:
    """Yield a function that appends the new epochs of a history to a file; `handgrad curves` reads it.

    The file grows under its temporary name, and gets its final name when the training is complete.
    """
    columns = ("training_loss", "validation_loss", "training_accuracy", "validation_accuracy")
    written = 0

    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("epoch", *columns))

        def record(history: History) -> None:
            nonlocal written
            for epoch in range(written + 1, history.epochs + 1):
                writer.writerow((epoch, *(getattr(history, column)[epoch - 1] for column in columns)))
            written = history.epochs
            file.flush()

        yield record


def write_predictions(path: Path, model: MyMLP, validation: Batches) -> None:
    """Write the class that the model predicts for each validation image, in the order of the file."""
    with torch.no_grad():
        predicted = model(validation.inputs).argmax(dim=1).tolist()
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("index", "label", "predicted"))
        writer.writerows(zip(range(len(predicted)), validation.labels.tolist(), predicted, strict=True))


def metrics(options: Options, model: MyMLP, history: History) -> Metrics:
    """Return the run's settings and its metrics after the epoch that was kept, None where not finite."""
    kept_epoch = (options.keep == "best" and history.best_epoch) or history.epochs

    def kept(values: list[float]) -> float | None:
        value = values[kept_epoch - 1]
        return value if math.isfinite(value) else None

    finite = all(bool(parameter.isfinite().all()) for parameter in model.parameters())
    diverged_epoch = history.diverged_epoch or (None if finite else history.epochs)
    if diverged_epoch is not None:
        logging.info("diverged in epoch %d", diverged_epoch)
    return {
        **options.named(),
        "seed": options.seed,
        "trainer": options.trainer,
        "epochs": history.epochs,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "kept_epoch": kept_epoch,
        "diverged": diverged_epoch is not None,
        "diverged_epoch": diverged_epoch,
        "training_loss": kept(history.training_loss),
        "validation_loss": kept(history.validation_loss),
        "training_accuracy": kept(history.training_accuracy),
        "validation_accuracy": kept(history.validation_accuracy),
    }


if __name__ == "__main__":
    run_stage(main, Options)
