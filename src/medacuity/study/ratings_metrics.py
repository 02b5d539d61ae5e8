"""A table of metrics (PSNR, SSIM, a feature distance) of the stimuli that were rated."""

import math
from collections.abc import Mapping
from pathlib import Path

from medacuity.errors import MalformedInput
from medacuity.study.ratings import Ratings
from medacuity.study.ratings_cells import Row, Sheet, read_sheet, shown
from medacuity.study.ratings_read import find_columns

NEVER = ("score", "rater", "repeat", "seconds", "session", "question")


def read_metrics(path: str | Path, ratings: Ratings) -> dict[str, dict[str, float]]:
    """Read a table with a line per stimulus and a column per metric.

    A stimulus is named as in the ratings, or by its case and method: ``cases.csv`` of
    ``medacuity evaluate`` is such a table. Columns that hold no numbers are left out.

    Args:
        path: The file.
        ratings: Whose stimuli are meant.

    Returns:
        The value of each stimulus, by metric and by name.

    Raises:
        MalformedInput: There is no column of stimuli, none of numbers, or no stimulus is known.
    """
    sheet = read_sheet(path)
    head, *rows = sheet.rows
    rows = [row for row in rows if not row.empty]
    places, _ = find_columns(head.cells)
    if "stimulus" not in places and not {"case", "method"} <= set(places):
        raise sheet.refuse(
            head.line, "the header names a column stimulus, or case and method, got "
            f"{shown(', '.join(head.cells))}; rename the columns",
        )  # fmt: skip
    for row in rows:
        if len(row.cells) != len(head.cells):
            raise sheet.refuse(
                row.line, f"every line has the {len(head.cells)} cells of the header, got "
                f"{len(row.cells)}",
            )  # fmt: skip
    keys = {places[what] for what in ("stimulus", "case", "method") if what in places}
    keys |= {places[what] for what in NEVER if what in places}
    meant = _meant(rows, places, ratings)
    if not meant:
        known = {r.stimulus for r in ratings.ratings}
        raise MalformedInput(
            f"at least one line is about a stimulus that was rated ({shown(min(known, default=''))}"
            " is one), got none; name stimuli, or cases and methods, as in the ratings", path=path,
        )  # fmt: skip
    found = {
        name: {meant[r.line]: _value(sheet, r.cells[i]) for r in rows if r.line in meant}
        for i, name in enumerate(head.cells)
        if i not in keys and _holds_numbers(sheet, rows, i)
    }
    if not found:
        raise MalformedInput("a table of metrics has a column of numbers, got none", path=path)
    return found


def _meant(rows: list[Row], places: Mapping[str, int], ratings: Ratings) -> dict[int, str]:
    """Return the stimulus that each line is about, by line; lines about others are left out."""
    known = {r.stimulus for r in ratings.ratings}
    by_pair = {(r.case, r.method): r.stimulus for r in ratings.ratings if r.method}
    found = {}
    for row in rows:
        name = row.cells[places["stimulus"]] if "stimulus" in places else ""
        if name not in known and {"case", "method"} <= set(places):
            name = by_pair.get((row.cells[places["case"]], row.cells[places["method"]]), "")
        if name in known:
            found[row.line] = name
    return found


def _holds_numbers(sheet: Sheet, rows: list[Row], column: int) -> bool:
    """Return whether a column holds numbers: most cells, and more than one of them."""
    values = [_value(sheet, row.cells[column]) for row in rows]
    return sum(math.isfinite(value) for value in values) > max(1, len(rows) // 2)


def _value(sheet: Sheet, text: str) -> float:
    try:
        return float(text.replace(",", ".") if sheet.decimal_comma else text)
    except ValueError:
        return math.nan
