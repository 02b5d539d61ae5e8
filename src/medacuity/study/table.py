"""Answers as a table: what the administrator downloads while a study runs."""

from collections.abc import Iterable, Iterator

from medacuity.study.design import Study
from medacuity.study.export import Answered
from medacuity.study.ratings_write import table_csv

HEADER = (
    "rater", "kind", "case", "method", "left", "right", "question", "score", "seconds", "session",
)  # fmt: skip


def answers_csv(study: Study, given: Iterable[Answered]) -> str:
    """Return a line per answer and question, training and attention checks included."""
    return table_csv(HEADER, (row for each in given for row in _rows(study, each)))


def _rows(study: Study, each: Answered) -> Iterator[tuple[object, ...]]:
    last = each.stimuli[-1]
    left, right = (s.method for s in each.stimuli) if len(each.stimuli) > 1 else ("", "")
    for item in study.items:
        yield (
            each.rater, each.kind.value, last.case, last.method, left, right,
            item.question, each.answer[item.name], each.seconds, each.session,
        )  # fmt: skip
