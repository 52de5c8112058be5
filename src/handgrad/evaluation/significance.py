"""Confidence intervals and paired tests for accuracies."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binomtest


def wilson_interval(accuracy: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of an accuracy measured on `images` images.

    Unlike accuracy +- 1.96 standard errors, it stays within [0, 1] and has a positive width at 0 and 1
    (Wilson, 1927; recommended by Brown, Cai and DasGupta, 2001). `accuracy` may be a mean over seeds: the
    sample consists of images, so the sample size is the number of images, not the number of predictions.

    Raises:
        ValueError: if there are no images or the accuracy is outside [0, 1].
    """
    if images < 1 or not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy {accuracy} on {images} images; expected 0 to 1 on at least one image")
    z = float(ndtri((1 + confidence) / 2))
    shrinkage = z**2 / images
    centre = (accuracy + shrinkage / 2) / (1 + shrinkage)
    half = math.sqrt(accuracy * (1 - accuracy) * shrinkage + shrinkage**2 / 4) / (1 + shrinkage)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_test(ours: NDArray[Any], theirs: NDArray[Any]) -> tuple[int, int, float]:
    """Compare two classifiers on the same images with McNemar's exact test (1947), an exact sign test.

    Args:
        ours, theirs: [images], booleans (whether the image was classified correctly) or counts (with how many
            of the same seeds it was).

    Returns:
        The number of images on which ours is correct more often, the number on which theirs is, and the
        two-sided p-value for the null hypothesis that both outcomes are equally likely.
    """
    only_ours = int(np.count_nonzero(ours > theirs))
    only_theirs = int(np.count_nonzero(theirs > ours))
    discordant = only_ours + only_theirs
    p_value = float(binomtest(only_ours, discordant).pvalue) if discordant else 1.0
    return only_ours, only_theirs, p_value


def paired_interval(
    before: NDArray[Any], after: NDArray[Any], seeds: int = 1, confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval for the difference of two accuracies on the same images, `after` minus `before`.

    This is the adjusted Wald interval of Bonett and Price (2012): the normal interval for the mean of the
    per-image differences, after adding two images of which each classifier gets a different one right. These
    prevent an interval of zero width if the classifiers rarely disagree.

    Args:
        before, after: [images], booleans (whether the image was classified correctly) or counts (with how
            many of the same `seeds` it was).
    """
    differences = np.append((after.astype(int) - before.astype(int)) / seeds, [1.0, -1.0])
    half = float(ndtri((1 + confidence) / 2)) * float(differences.std()) / math.sqrt(len(differences))
    mean = float(differences.mean())
    return max(-1.0, mean - half), min(1.0, mean + half)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm-adjusted p-values for several tests, which control the family-wise error rate.

    The smallest p-value is multiplied by the number of tests, the next by one less, and so on; no adjusted
    value is smaller than that of a smaller p-value (Holm, 1979).
    """
    adjusted = [1.0] * len(p_values)
    largest = 0.0
    for rank, position in enumerate(np.argsort(p_values, kind="stable")):
        largest = max(largest, min(1.0, (len(p_values) - rank) * float(p_values[position])))
        adjusted[position] = largest
    return adjusted
