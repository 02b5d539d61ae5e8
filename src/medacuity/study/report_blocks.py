"""What a report is made of, whatever it is printed on: headings, words, tables, pictures."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from matplotlib.figure import FigureBase

from medacuity.metrics.opinion.estimate import Estimate

MOST_ROWS = 200
"""Rows of a printed table; all of them are in the CSV files."""


@dataclass(frozen=True)
class Heading:
    """A title: level 1 for the report, 2 for its parts, 3 within them."""

    text: str
    level: int = 2


@dataclass(frozen=True)
class Words:
    """A paragraph."""

    text: str


@dataclass(frozen=True)
class Table:
    """Rows of text; the first column names the row, the others are figures.

    Args:
        caption: What it shows.
        head: The names of the columns.
        rows: The cells.
        note: How to read it; stands below.
    """

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""

    def short(self) -> "Table":
        """Return the table with no more rows than can be read."""
        if len(self.rows) <= MOST_ROWS:
            return self
        left = len(self.rows) - MOST_ROWS
        note = f"{self.note} {left} more rows are in the CSV files.".strip()
        return Table(self.caption, self.head, self.rows[:MOST_ROWS], note)


@dataclass(frozen=True)
class Picture:
    """A figure that a paper can print.

    Args:
        name: Of its file, without an ending.
        caption: What it shows.
        words: The same for who cannot see it: what can be read off it.
        draw: Draws it.
        height: In inches, at a width of seven.
    """

    name: str
    caption: str
    words: str
    draw: Callable[[FigureBase], None]
    height: float = 3.0


Block = Heading | Words | Table | Picture


def number(value: float, digits: int = 2, *, signed: bool = False) -> str:
    """Return a number as it is printed; a dash where there is none.

    Example:
        >>> number(3.14159), number(0.5, signed=True), number(float("nan"))
        ('3.14', '+0.50', '-')
    """
    if not math.isfinite(value):
        return "-"
    text = f"{value:+.{digits}f}" if signed else f"{value:.{digits}f}"
    zero = f"{0:.{digits}f}"
    return zero if text in (f"-{zero}", f"+{zero}") else text


def span(estimate: Estimate, digits: int = 2, *, signed: bool = False) -> str:
    """Return an interval as it is printed.

    Example:
        >>> span(Estimate(3.0, 2.5, 3.5))
        '2.50 to 3.50'
    """
    if math.isnan(estimate.low) or math.isnan(estimate.high):
        return "-"
    if math.isinf(estimate.low):
        end = number(estimate.high, digits, signed=signed)
        return "-" if math.isinf(estimate.high) else f"up to {end}"
    low, high = (number(end, digits, signed=signed) for end in (estimate.low, estimate.high))
    return f"{low} to {high}"


def bracket(estimate: Estimate, digits: int = 2) -> str:
    """Return an interval as a sentence has it after a value; nothing where there is none.

    Example:
        >>> bracket(Estimate(3.0, 2.5, 3.5)), bracket(Estimate(3.0))
        (' (2.50 to 3.50)', '')
    """
    told = span(estimate, digits)
    return "" if told == "-" else f" ({told})"


def chance(p: float) -> str:
    """Return a p value as it is printed.

    Example:
        >>> chance(0.0421), chance(1e-9), chance(float("nan"))
        ('0.042', '< 0.001', '-')
    """
    if math.isnan(p):
        return "-"
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them.

    Example:
        >>> listed(["ann", "ben", "cid"])
        'ann, ben and cid'
    """
    return " and ".join([*([", ".join(names[:-1])] if names[:-1] else []), *names[-1:]])
