"""metrics.json: the settings of a run, and its metrics after the epoch whose parameters were kept."""

from handgrad.hyperparameters import Settings


class Metrics(Settings):
    """Metrics that are not finite are None."""

    seed: int
    trainer: str
    parameters: int
    kept_epoch: int
    diverged: bool
    diverged_epoch: int | None
    training_loss: float | None
    validation_loss: float | None
    training_accuracy: float | None
    validation_accuracy: float | None
