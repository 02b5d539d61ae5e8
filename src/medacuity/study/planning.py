"""How many raters a study needs: from a guess of the spread, or from a pilot study."""

from dataclasses import asdict, dataclass
from typing import Any

from medacuity.errors import UsageError
from medacuity.metrics.opinion.mixed import fit_mixed
from medacuity.metrics.opinion.planner import (
    difference_width,
    raters_for,
    raters_for_difference,
    width_of,
)
from medacuity.study.ratings import Ratings
from medacuity.study.report_grid import grid_of

TRIED = (3, 5, 8, 10, 15, 20, 26, 35, 50)


@dataclass(frozen=True)
class Plan:
    """What a wanted interval asks for.

    Attributes:
        what: Whose interval it is.
        half_width: What was wanted.
        raters: How many raters bring it.
        widths: The half width that other numbers of raters bring.
    """

    what: str
    half_width: float
    raters: int
    widths: dict[int, float]

    def as_json(self) -> dict[str, Any]:
        """Return the plan as JSON knows it."""
        return asdict(self)

    def text(self) -> str:
        """Return the plan for a terminal."""
        lines = [f"{count:6d} raters: ±{width:.2f}" for count, width in self.widths.items()]
        head = f"{self.raters} raters bring {self.what} to ±{self.half_width:g} (95 % interval)."
        return "\n".join([head, "", *lines])


def plan_by_spread(sd: float, half_width: float) -> Plan:
    """Return how many raters bring the mean score of one stimulus to a wanted interval.

    Example:
        >>> plan_by_spread(0.8, 0.5).raters
        13
    """
    widths = {count: width_of(sd, count) for count in TRIED}
    return Plan("the mean score of one stimulus", half_width, raters_for(sd, half_width), widths)


def plan_by_pilot(pilot: Ratings, half_width: float, *, cases: int) -> Plan:
    """Return how many raters bring a difference of two methods to a wanted interval.

    Spreads are those of the pilot study's first question; every rater sees every case.

    Raises:
        UsageError: The pilot has one method only, or no number of raters is enough.
    """
    if not pilot.ratings:
        raise UsageError("a pilot study has scores, got choices only; plan by --sd")
    grid = grid_of(pilot, pilot.ratings[0].question)
    if len(grid.methods) < 2:
        raise UsageError(
            "a pilot study compares at least two methods, got one; name a column of methods, or "
            "plan by --sd"
        )
    parts = fit_mixed(*grid.long()).components
    widths = {count: difference_width(parts, raters=count, cases=cases) for count in TRIED}
    needed = raters_for_difference(parts, half_width, cases=cases)
    return Plan(f"a difference of two methods on {cases} cases", half_width, needed, widths)
