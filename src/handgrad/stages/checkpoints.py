"""Training checkpoints, written atomically: a resumed job produces bit-identical results."""

import hashlib
import json
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from handgrad.history import History
from handgrad.stages.files import replacing

FIGURES = ("training_loss", "validation_loss", "training_accuracy", "validation_accuracy")


def settings_hash(settings: dict[str, Any], files: list[Path]) -> str:
    """Hash everything a training depends on: its settings and the contents of its data files."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for path in files:
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def save_checkpoint(
    path: Path,
    settings: str,
    model: nn.Module,
    momentum_buffers: list[Tensor | None],
    history: History,
    best: Mapping[str, Tensor],
) -> None:
    """Save a training: its parameters, momentum buffers and history, and the hash of its settings.

    `best` has the parameters of the best epoch by name; it is empty if they are not needed.
    """
    tensors = {f"parameter.{name}": tensor for name, tensor in model.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in best.items()}
    tensors |= {f"momentum.{i}": v for i, v in enumerate(momentum_buffers) if v is not None}
    tensors["history"] = torch.tensor([getattr(history, name) for name in FIGURES], dtype=torch.float64)
    with replacing(path) as temporary:
        temporary.write_bytes(save(tensors, {"settings": settings, "sha256": _sha256(tensors)}))


def load_checkpoint(
    path: Path, settings: str, model: nn.Module
) -> tuple[History, list[Tensor | None], dict[str, Tensor]]:
    """Load a checkpoint into `model`, and return its history, momentum buffers and best parameters.

    If there is no checkpoint, or it is damaged or was written with other settings, the model is unchanged and
    the history is empty.
    """
    nothing: list[Tensor | None] = [None for _ in model.parameters()]
    if not path.exists():
        return History(), nothing, {}
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        logging.info("%s is damaged (%s): starting at the first epoch", path, error)
        return History(), nothing, {}
    if metadata.get("settings") != settings:
        logging.info("%s is of other settings, code or data: starting at the first epoch", path)
        return History(), nothing, {}
    if metadata.get("sha256") != _sha256(tensors):
        logging.info("%s is damaged (its checksum is wrong): starting at the first epoch", path)
        return History(), nothing, {}
    model.load_state_dict({name: tensors[f"parameter.{name}"] for name in model.state_dict()})
    history = History(**dict(zip(FIGURES, tensors["history"].tolist(), strict=True)))
    device = next(model.parameters()).device
    buffers = [tensors.get(f"momentum.{i}") for i in range(len(nothing))]
    logging.info("continuing after epoch %d from %s", history.epochs, path)
    best = {
        name.removeprefix("best."): tensor.to(device)
        for name, tensor in tensors.items()
        if name.startswith("best.")
    }
    return history, [buffer if buffer is None else buffer.to(device) for buffer in buffers], best


def _sha256(tensors: dict[str, Tensor]) -> str:
    """Hash all names and values, to detect silent data corruption."""
    return hashlib.sha256(save(tensors)).hexdigest()
