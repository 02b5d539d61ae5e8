"""Ratings as CSV and JSON, for other tools: in order, complete, safe to open in a spreadsheet."""

import csv
import io
import json
import math
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from medacuity.study.ratings import Choice, Rating, Ratings
from medacuity.study.ratings_cells import safe

RATING = (
    "rater",
    "stimulus",
    "score",
    "method",
    "case",
    "session",
    "question",
    "repeat",
    "seconds",
)
CHOICE = (
    "rater", "case", "question", "first", "second", "chosen", "session", "repeat", "seconds",
)  # fmt: skip


def ratings_csv(ratings: Iterable[Rating]) -> str:
    """Return scores as CSV, one per line, in the order given.

    Example:
        >>> print(ratings_csv([Rating("ann", "=1+1", 4.0)]), end="")
        rater,stimulus,score,method,case,session,question,repeat,seconds
        ann,'=1+1,4,,,,,0,
    """
    return table_csv(RATING, ([getattr(r, name) for name in RATING] for r in ratings))


def choices_csv(choices: Iterable[Choice]) -> str:
    """Return choices as CSV, one per line, in the order given; nothing chosen says "tie"."""
    rows = ([getattr(c, name) for name in CHOICE] for c in choices)
    place = CHOICE.index("chosen")
    return table_csv(
        CHOICE, ([*row[:place], row[place] or "tie", *row[place + 1 :]] for row in rows)
    )


def ratings_json(ratings: Ratings) -> str:
    """Return everything as JSON; a time that was not measured is null."""
    return json.dumps(
        {
            "title": ratings.title,
            "scale": asdict(ratings.scale),
            "scales": {question: asdict(scale) for question, scale in ratings.scales.items()},
            "reference": ratings.reference,
            "checks": [asdict(check) for check in ratings.checks],
            "notes": list(ratings.notes),
            "ratings": [_known(asdict(rating)) for rating in ratings.ratings],
            "choices": [_known(asdict(choice)) for choice in ratings.choices],
        },
        indent=1,
        ensure_ascii=False,
        allow_nan=False,
    )


def table_csv(head: Iterable[str], rows: Iterable[Iterable[Any]]) -> str:
    """Return a table as CSV: numbers in full, NaN as nothing, texts safe in a spreadsheet."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([safe(name) for name in head])
    for row in rows:
        writer.writerow([_cell(value) for value in row])
    return text.getvalue()


def _cell(value: Any) -> str:
    if isinstance(value, str):
        return safe(value)
    if isinstance(value, float):
        if math.isnan(value):
            return ""
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return str(value)


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in fields.items()
    }
