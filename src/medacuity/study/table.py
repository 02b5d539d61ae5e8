"""Answers as a table of text, safe to open in a spreadsheet."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence

from medacuity.study.design import Study
from medacuity.study.export import Answered

HEADER = (
    "rater", "kind", "case", "method", "left", "right", "question", "score", "seconds", "session",
)  # fmt: skip
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def rows(study: Study, given: Iterable[Answered]) -> Iterator[tuple[object, ...]]:
    """Yield a row per answer and question, training and attention checks included."""
    for each in given:
        left, right = (
            (each.stimuli[0].method, each.stimuli[1].method) if len(each.stimuli) > 1 else ("", "")
        )
        for item in study.items:
            yield (
                each.rater, each.kind.value, each.stimuli[-1].case, each.stimuli[-1].method,
                left, right, item.question, each.answer[item.name], each.seconds, each.session,
            )  # fmt: skip


def to_csv(header: Sequence[str], table: Iterable[Sequence[object]]) -> str:
    """Return a table as CSV (RFC 4180); no cell of text is taken for a formula.

    Example:
        >>> to_csv(["a", "b"], [["=1+1", -1]])
        "a,b\\r\\n'=1+1,-1\\r\\n"
    """
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(header)
    writer.writerows([safe(cell) for cell in row] for row in table)
    return out.getvalue()


def safe(cell: object) -> object:
    """Return a cell; text that a spreadsheet would calculate gets an apostrophe before it."""
    return f"'{cell}" if isinstance(cell, str) and cell.startswith(FORMULA) else cell
