"""Confidence intervals and paired tests for accuracies."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtr, stdtrit
from scipy.stats import binomtest


def wilson_interval(accuracy: float, images: int, confidence: float = 0.95) -> tuple[float, float]:
    """Wilson score interval of an accuracy measured on `images` images.

    Unlike accuracy +- 1.96 standard errors, it stays within [0, 1] and has a positive width at 0 and 1
    (Wilson, 1927; recommended by Brown, Cai and DasGupta, 2001).

    Raises:
        ValueError: if there are no images or the accuracy is outside [0, 1].
    """
    if images < 1 or not 0 <= accuracy <= 1:
        raise ValueError(f"accuracy {accuracy} on {images} images; expected 0 to 1 on at least one image")
    z = float(ndtri((1 + confidence) / 2))
    return _score_interval(accuracy, z**2 / images)


def _score_interval(accuracy: float, shrinkage: float) -> tuple[float, float]:
    """Wilson's formula; `shrinkage` is the squared quantile divided by the number of images."""
    centre = (accuracy + shrinkage / 2) / (1 + shrinkage)
    half = math.sqrt(accuracy * (1 - accuracy) * shrinkage + shrinkage**2 / 4) / (1 + shrinkage)
    return max(0.0, centre - half), min(1.0, centre + half)


def accuracy_interval(correct: NDArray[np.bool_], confidence: float = 0.95) -> tuple[float, float]:
    """Confidence interval of the mean accuracy of models trained with different seeds.

    With one seed, this is `wilson_interval`. With several, it is Wilson's interval for the effective number
    of images: the number for which the binomial variance equals `variances(correct)` (Korn and Graubard,
    1998). Student's t with `degrees_of_freedom` replaces the normal quantile, because the variance between a
    few seeds is itself uncertain. The interval is for new seeds and new images.

    Args:
        correct: [seeds, images], whether the model of each seed classified each image correctly.
    """
    seeds, images = correct.shape
    accuracy = float(correct.mean())
    variance = variances(correct) if seeds > 1 else Variances(0.0, 0.0)
    if variance.total == 0 or accuracy in (0, 1):
        return wilson_interval(accuracy, images, confidence)
    quantile = float(stdtrit(variance.degrees_of_freedom(seeds, images), (1 + confidence) / 2))
    return _score_interval(accuracy, quantile**2 * variance.total / (accuracy * (1 - accuracy)))


class Variances(NamedTuple):
    """The variance of a mean over seeds and images, by source."""

    seeds: float
    images: float

    @property
    def total(self) -> float:
        return self.seeds + self.images

    def degrees_of_freedom(self, seeds: int, images: int) -> float:
        """Those of the total variance, by Satterthwaite's approximation (1946)."""
        squares = self.seeds**2 / (seeds - 1) + self.images**2 / (images - 1)
        return self.total**2 / squares if squares else math.inf


def variances(values: NDArray[Any]) -> Variances:
    """Estimate how much the seeds and the images contribute to the variance of the mean of all values.

    The same images are used for all seeds, so the two factors are crossed: the variance of the mean is that
    of the seeds' means divided by the number of seeds, plus that of the images' means divided by the number
    of images. Both terms contain the interaction of seeds and images, so their sum slightly overestimates the
    variance (Owen, 2007, on crossed random effects).

    Args:
        values: [seeds, images], at least two of each.
    """
    seeds, images = values.shape
    return Variances(
        seeds=float(values.mean(axis=1).var(ddof=1)) / seeds,
        images=float(values.mean(axis=0).var(ddof=1)) / images,
    )


def paired_test(ours: NDArray[np.bool_], theirs: NDArray[np.bool_]) -> tuple[int, int, float]:
    """Compare two classifiers on the same images.

    With one seed, this is McNemar's exact test (1947), an exact sign test on the images. With several, it is
    the t-test that corresponds to `paired_interval`, which accounts for the seeds as well.

    Args:
        ours, theirs: [images] or [seeds, images], whether the image was classified correctly. The two
            classifiers were trained with the same seeds.

    Returns:
        The number of images on which ours is correct more often, the number on which theirs is, and the
        two-sided p-value for the null hypothesis that both are equally accurate.
    """
    ours, theirs = np.atleast_2d(ours), np.atleast_2d(theirs)
    more_often = ours.sum(axis=0) - theirs.sum(axis=0)
    only_ours, only_theirs = int((more_often > 0).sum()), int((more_often < 0).sum())
    discordant = only_ours + only_theirs
    if len(ours) > 1:
        mean, error, degrees = _paired_difference(theirs, ours)
        p_value = 2 * float(stdtr(degrees, -abs(mean) / error))
    else:
        p_value = float(binomtest(only_ours, discordant).pvalue) if discordant else 1.0
    return only_ours, only_theirs, p_value


def paired_interval(
    before: NDArray[np.bool_], after: NDArray[np.bool_], confidence: float = 0.95
) -> tuple[float, float]:
    """Confidence interval for the difference of two accuracies on the same images, `after` minus `before`.

    With one seed, this is the adjusted Wald interval of Bonett and Price (2012): the normal interval for the
    mean of the per-image differences, after adding two images of which each classifier gets a different one
    right. These prevent an interval of zero width if the classifiers rarely disagree. With several seeds, the
    variance between the seeds' differences is added, as in `variances`, and Student's t replaces the normal
    quantile, as in `accuracy_interval`.

    Args:
        before, after: [images] or [seeds, images], whether the image was classified correctly. The two
            classifiers were trained with the same seeds.
    """
    mean, error, degrees = _paired_difference(np.atleast_2d(before), np.atleast_2d(after))
    half = float(stdtrit(degrees, (1 + confidence) / 2)) * error
    return max(-1.0, mean - half), min(1.0, mean + half)


def _paired_difference(before: NDArray[np.bool_], after: NDArray[np.bool_]) -> tuple[float, float, float]:
    """The adjusted mean difference, its standard error, and the degrees of freedom of the error."""
    differences = after.astype(int) - before.astype(int)
    by_image = np.append(differences.mean(axis=0), [1.0, -1.0])
    of_images = float(by_image.var()) / len(by_image)
    if len(differences) == 1:
        return float(by_image.mean()), math.sqrt(of_images), math.inf
    variance = Variances(variances(differences).seeds, of_images)
    degrees = variance.degrees_of_freedom(len(differences), len(by_image))
    return float(by_image.mean()), math.sqrt(variance.total), degrees


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
