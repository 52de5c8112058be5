"""How far chance alone could explain an accuracy, or a difference of two accuracies on the same images."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri
from scipy.stats import binomtest


def wilson_interval(accuracy: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """The interval of Wilson's score method for an accuracy measured on `images` images.

    Unlike accuracy +- 1.96 standard errors it stays within 0 and 1 and has a width at 0 and 1 too
    (Wilson, 1927; Brown, Cai and DasGupta, 2001, recommend it). `accuracy` may be a mean over seeds: what
    varies by chance is the draw of the images, so their number counts, not that of the predictions.

    Raises:
        ValueError: if there is no image or the accuracy lies outside 0 and 1.
    """
    if images < 1 or not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy {accuracy} on {images} images; expected 0 to 1 on at least one image")
    z = float(ndtri((1 + confidence) / 2))
    shrinkage = z**2 / images
    centre = (accuracy + shrinkage / 2) / (1 + shrinkage)
    half = math.sqrt(accuracy * (1 - accuracy) * shrinkage + shrinkage**2 / 4) / (1 + shrinkage)
    return max(0.0, centre - half), min(1.0, centre + half)


def paired_test(ours: NDArray[Any], theirs: NDArray[Any]) -> tuple[int, int, float]:
    """Compare two classifiers image by image with the exact sign test, which is McNemar's exact test (1947).

    Args:
        ours, theirs: [images] booleans, whether the image was classified correctly; or counts, with how many
            of the same seeds it was.

    Returns:
        The number of images on which ours is right more often, of those on which theirs is, and the
        two-sided probability of a split at least as uneven if each were as likely as the other.
    """
    only_ours = int(np.count_nonzero(ours > theirs))
    only_theirs = int(np.count_nonzero(theirs > ours))
    discordant = only_ours + only_theirs
    p_value = float(binomtest(only_ours, discordant).pvalue) if discordant else 1.0
    return only_ours, only_theirs, p_value
