"""Visual grading characteristics: is one method graded better than another, as an area."""

from dataclasses import dataclass

import numpy as np

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import Array, Estimate, by_samples, draws

RESAMPLES = 2000
BATCH = 2**24
"""Numbers held at a time while bootstrapping."""


@dataclass(frozen=True)
class Grading:
    """The VGC curve of a method against another, and the area under it.

    Attributes:
        area: 0.5 where both are graded alike, above where the first is better: the chance that
            a grade of the first exceeds one of the second (ties half), mean over readers.
        by_reader: The area of each reader.
        reference: Share of the second's grades at or above each threshold (horizontal axis).
        test: Share of the first's grades at or above it (vertical axis).
    """

    area: Estimate
    by_reader: Array
    reference: Array
    test: Array


def vgc(
    test: Array,
    reference: Array,
    *,
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    level: float = 0.95,
) -> Grading:
    """Return the visual grading characteristics of one method against another.

    After Bath and Mansson, "Visual grading characteristics (VGC) analysis", British Journal of
    Radiology 80 (2007): grades are treated like the ratings of an ROC study, one method in the
    place of the healthy, the other of the sick. No distances between grades are assumed. The
    area is the trapezoidal one of each reader (Mann and Whitney's U), then the mean over readers.
    The interval is by drawing readers and cases again, both methods together (a paired study);
    of one reader, only cases. With fewer than about five readers or ten cases it is too narrow.

    Args:
        test: Grades of one method: one row per case, one column per reader; NaN where missing.
        reference: Grades of the other method, for the same cases and readers.
        rng: The source of the bootstrap.
        resamples: How often readers and cases are drawn again.
        level: How much the interval covers.

    Shape:
        ``(cases, readers)``, twice.

    Raises:
        UsageError: The tables differ in shape, or no reader graded both.

    Example:
        >>> better = np.array([[4.0, 4], [5, 4], [3, 5]])
        >>> float(vgc(better, better - 1, rng=np.random.default_rng(0)).area.value)
        0.8333333333333333
    """
    test, reference = np.asarray(test, float), np.asarray(reference, float)
    if test.ndim != 2 or test.shape != reference.shape:
        raise UsageError(
            "grades of both methods are tables of cases by readers of the same shape, got "
            f"{test.shape} and {reference.shape}; leave gaps as NaN"
        )
    both = (~np.isnan(test)).any(axis=0) & (~np.isnan(reference)).any(axis=0)
    if not both.any():
        raise UsageError("a VGC curve needs a reader who graded both methods, got none")
    test, reference = test[:, both], reference[:, both]
    values = np.unique(np.concatenate([test[~np.isnan(test)], reference[~np.isnan(reference)]]))
    curves = [_curve(grades, values) for grades in (test, reference)]
    tables = _marks(test, reference)
    by_reader = _areas(tables, np.ones((1, len(test))))[0]
    area = by_samples(float(np.mean(by_reader)), _samples(tables, rng, resamples), level=level)
    return Grading(area, by_reader, curves[1], curves[0])


def _marks(test: Array, reference: Array) -> list[Array]:
    """Return 1 where a reader gave a case that rank among the reader's own grades.

    Areas need no more of grades than each reader's order of them, and sliders have few ranks.

    Shape:
        ``(cases, readers)``, twice -> ``(cases, readers, ranks)``, twice.
    """
    grades = np.concatenate([test, reference])
    ranks = np.full(grades.shape, -1)
    for reader, column in enumerate(grades.T):
        known = np.isfinite(column)
        ranks[known, reader] = np.unique(column[known], return_inverse=True)[1]
    marks = (ranks[:, :, None] == np.arange(ranks.max() + 1)).astype(np.float64)
    return [marks[: len(test)], marks[len(test) :]]


def _areas(tables: list[Array], weights: Array) -> Array:
    """Return each reader's area when each case counts so often.

    Shape:
        ``(samples, cases)`` -> ``(samples, readers)``.
    """
    test, reference = (np.tensordot(weights, table, axes=1) for table in tables)  # (B, R, K)
    below = np.cumsum(reference, axis=-1) - reference / 2
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(
            (test * below).sum(axis=-1) / (test.sum(axis=-1) * reference.sum(axis=-1))
        )


def _samples(tables: list[Array], rng: np.random.Generator, resamples: int) -> Array:
    cases, readers, values = tables[0].shape
    size = max(1, BATCH // (readers * values))
    found = []
    for start in range(0, resamples, size):
        count = min(size, resamples - start)
        areas = _areas(tables, draws(cases, rng, resamples=count))
        again = draws(readers, rng, resamples=count) * np.isfinite(areas)
        with np.errstate(divide="ignore", invalid="ignore"):
            total = (np.where(again > 0, areas, 0) * again).sum(axis=1)
            found.append(total / again.sum(axis=1))
    return np.concatenate(found)


def _curve(grades: Array, values: Array) -> Array:
    """Return the share of all grades at or above each threshold, from none to all."""
    known = np.sort(grades[~np.isnan(grades)])
    below = np.searchsorted(known, values[::-1])
    return np.concatenate([[0.0], 1 - below / known.size])
