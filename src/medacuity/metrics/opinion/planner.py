"""How many raters, how many cases: what an interval or a difference asks for."""

import math
from collections.abc import Callable

from scipy import stats

from medacuity.errors import UsageError
from medacuity.metrics.opinion.mixed import Components

Width = Callable[[int], float]

MOST = 100_000


def raters_for(sd: float, half_width: float, *, level: float = 0.95) -> int:
    """Return how many raters bring the t-interval of one stimulus down to a half width.

    Args:
        sd: Standard deviation of the raters' scores of one stimulus (some 0.8 on a 5-point scale).
        half_width: What the interval may be at most, on either side.
        level: How much the interval covers.

    Raises:
        UsageError: A value is not positive, or no number of raters up to 100,000 is enough.

    Example:
        >>> raters_for(0.8, 0.33), raters_for(0.8, 0.5)
        (26, 13)
    """
    if not (sd > 0 and half_width > 0 and 0 < level < 1):
        raise UsageError(
            "standard deviation and half width are positive, and the level lies between 0 and 1; "
            f"got {sd:g}, {half_width:g} and {level:g}"
        )
    return _least(lambda raters: width_of(sd, raters, level=level), half_width)


def width_of(sd: float, raters: int, *, level: float = 0.95) -> float:
    """Return the half width of the t-interval of one stimulus.

    Example:
        >>> [round(width_of(0.8, raters), 2) for raters in (26, 15, 5)]
        [0.32, 0.44, 0.99]
    """
    return float(stats.t.ppf((1 + level) / 2, raters - 1)) * sd / math.sqrt(raters)


def mean_width(parts: Components, *, raters: int, cases: int, level: float = 0.95) -> float:
    """Return the half width of a method's mean, for other raters and other cases.

    Args:
        parts: Variances, from a pilot study (``fit_mixed``) or a guess.
        raters: How many raters see every case.
        cases: How many cases.
        level: How much the interval covers.
    """
    by_rater = parts.rater + parts.rater_method
    by_case = parts.case + parts.case_method
    return _width(by_rater, by_case, parts.residual, raters=raters, cases=cases, level=level)


def difference_width(parts: Components, *, raters: int, cases: int, level: float = 0.95) -> float:
    """Return the half width of a difference between two methods that all raters see on all cases.

    What raters or cases do to all methods alike drops out.

    Example:
        >>> parts = Components(rater_method=0.04, case_method=0.09, residual=0.36)
        >>> round(difference_width(parts, raters=10, cases=20), 2)
        0.3
    """
    return _width(
        2 * parts.rater_method, 2 * parts.case_method, 2 * parts.residual,
        raters=raters, cases=cases, level=level,
    )  # fmt: skip


def raters_for_difference(
    parts: Components, half_width: float, *, cases: int, level: float = 0.95
) -> int:
    """Return how many raters bring the interval of a difference of two methods to a half width.

    Raises:
        UsageError: No number of raters is enough for so few cases.

    Example:
        >>> parts = Components(rater_method=0.04, case_method=0.09, residual=0.36)
        >>> raters_for_difference(parts, 0.3, cases=20)
        11
    """
    if not half_width > 0 or cases < 2:
        raise UsageError(
            f"half width is positive and there are at least 2 cases, got {half_width:g} and {cases}"
        )
    return _least(
        lambda raters: difference_width(parts, raters=raters, cases=cases, level=level), half_width
    )


def _width(
    by_rater: float, by_case: float, rest: float, *, raters: int, cases: int, level: float
) -> float:
    """Half width of a mean over a full table, with Satterthwaite's degrees of freedom."""
    columns = by_rater / raters + rest / (raters * cases)
    rows = by_case / cases + rest / (raters * cases)
    cells = rest / (raters * cases)
    total = columns + rows - cells
    if total == 0:
        return 0.0
    spread = columns**2 / (raters - 1) + rows**2 / (cases - 1)
    spread += cells**2 / ((raters - 1) * (cases - 1))
    return float(stats.t.ppf((1 + level) / 2, total**2 / spread)) * math.sqrt(total)


def _least(width: Width, wanted: float) -> int:
    """Return the smallest number from 2 on whose width is as wanted, by halving."""
    high = 2
    while width(high) > wanted:
        high *= 2
        if high > MOST:
            raise UsageError(
                f"a half width of {wanted:g} is out of reach: with {MOST} raters it is still "
                f"{width(MOST):.3g}; take more cases, or a wider interval"
            )
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if width(middle) <= wanted else (middle, high)
    return high
