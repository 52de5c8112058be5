"""Agreement of two training runs: differences in losses and parameters, and digests, using NumPy only."""

import hashlib
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Agreement(NamedTuple):
    """Largest absolute differences between two training runs; `bit_identical` if no bit differs."""

    loss_difference: float
    parameter_difference: float
    bit_identical: bool


def agreement(
    losses: NDArray[np.floating],
    other_losses: NDArray[np.floating],
    parameters: Mapping[str, NDArray[np.floating]],
    other_parameters: Mapping[str, NDArray[np.floating]],
) -> Agreement:
    """Compare two training runs of the same network.

    Args:
        losses, other_losses: arrays of the same shape, such as [epochs, training and validation].
        parameters, other_parameters: arrays keyed by name, with the same names, shapes and dtypes.

    Raises:
        ValueError: if names, shapes or dtypes differ.
    """
    if parameters.keys() != other_parameters.keys():
        raise ValueError(f"parameters {sorted(parameters)} and {sorted(other_parameters)}; expected the same")
    pairs = [(parameters[name], other_parameters[name]) for name in parameters]
    return Agreement(
        loss_difference=largest_difference(losses, other_losses),
        parameter_difference=max((largest_difference(*pair) for pair in pairs), default=0.0),
        bit_identical=all(_same_bits(*pair) for pair in [(losses, other_losses), *pairs]),
    )


def largest_difference(one: NDArray[np.floating], other: NDArray[np.floating]) -> float:
    """The largest absolute difference.

    NaN equals NaN and an infinity equals itself; any other difference involving them is infinite.

    Raises:
        ValueError: if shapes or dtypes differ.
    """
    if one.shape != other.shape or one.dtype != other.dtype:
        raise ValueError(f"{one.dtype} {one.shape} and {other.dtype} {other.shape}; expected the same")
    differing = one[different := ~((one == other) | (np.isnan(one) & np.isnan(other)))]
    if differing.size == 0:
        return 0.0
    difference = np.abs(differing - other[different])
    return float(np.max(np.where(np.isnan(difference), np.inf, difference)))


def first_difference(losses: NDArray[np.floating], other: NDArray[np.floating]) -> int | None:
    """The first epoch, counted from 1, in which two [epochs, ...] arrays of losses differ; None if none."""
    for epoch, pair in enumerate(zip(losses, other, strict=True), start=1):
        if not _same_bits(*pair):
            return epoch
    return None


def digest(parameters: Mapping[str, NDArray[np.floating]]) -> str:
    """The SHA-256 of the names, dtypes, shapes and bits of all parameters, in alphabetical order.

    Two networks have the same digest if and only if `agreement` finds their parameters bit-identical (barring
    a collision of SHA-256).
    """
    sha256 = hashlib.sha256()
    for name, values in sorted(parameters.items()):
        values = np.where(np.isnan(values), np.array(np.nan, values.dtype), values)
        sha256.update(f"{name} {values.dtype} {values.shape}\n".encode())
        sha256.update(values.astype(values.dtype.newbyteorder("<")).tobytes())
    return sha256.hexdigest()


def _same_bits(one: NDArray[np.floating], other: NDArray[np.floating]) -> bool:
    """Whether all bits are equal, treating all NaNs as equal: their payloads differ between machines."""
    return bool(
        np.all(np.isnan(one) & np.isnan(other) | (one == other) & (np.signbit(one) == np.signbit(other)))
    )
