"""metrics.json: what a run was, and its figures after the last epoch."""

from handgrad.hyperparameters import Settings


class Metrics(Settings):
    """Figures are None where they are not finite."""

    seed: int
    trainer: str
    parameters: int
    diverged: bool
    diverged_epoch: int | None
    training_loss: float | None
    validation_loss: float | None
    training_accuracy: float | None
    validation_accuracy: float | None
