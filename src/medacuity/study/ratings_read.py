"""Any table of rater, stimulus, score, from whatever tool: read, or refused with the reason."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medacuity.errors import MalformedInput
from medacuity.study.ratings import TIE, Choice, Rating, Ratings
from medacuity.study.ratings_cells import LONGEST, MISSING, Row, Sheet, read_sheet, shown
from medacuity.study.ratings_check import checked, scaled

COLUMNS: dict[str, tuple[str, ...]] = {
    "rater": (
        "rater", "reader", "observer", "participant", "assessor", "annotator", "evaluator", "judge",
        "respondent", "worker", "user", "subject",
    ),
    "stimulus": (
        "stimulus", "stimuli", "image", "item", "file", "filename", "picture", "video", "pvs",
        "volume", "sample", "path",
    ),
    "score": ("score", "rating", "vote", "grade", "opinionscore", "opinion", "answer", "response",
              "value", "os"),
    "method": (
        "method", "algorithm", "model", "system", "technique", "network", "reconstruction", "hrc",
        "condition",
    ),
    "case": ("case", "patient", "scan", "content", "scene", "src", "source", "subject"),
    "session": ("session", "visit", "sitting"),
    "question": ("question", "criterion", "attribute", "aspect", "dimension"),
    "repeat": ("repeat", "repetition", "replicate", "rep", "trial"),
    "seconds": ("seconds", "duration", "responsetime", "reactiontime", "rt", "time"),
    "first": ("first", "left", "a", "methoda", "first method", "method1"),
    "second": ("second", "right", "b", "methodb", "method2"),
    "chosen": ("chosen", "choice", "winner", "preferred", "preference", "better"),
}  # fmt: skip
"""What columns are called, without case, spaces, marks, and "id", "name" or "number" at the end."""

WIDE = re.compile(r"(rater|reader|observer|subject|participant|judge|user|r|s|o)\d+")
FIRST = {"first", "left", "a", "1"}
SECOND = {"second", "right", "b", "2"}
TIED = {"tie", "tied", "equal", "same", "both", "neither", "none", "0", "", "draw"}


def read_ratings(
    path: str | Path, *, low: float = math.nan, high: float = math.nan, reference: str = ""
) -> Ratings:
    """Read a table of ratings: CSV of any delimiter, with a header in the words of most tools.

    Understood are: one rating per line (columns rater, stimulus, score and, where there are,
    method, case, session, question, repeat, time); one choice per line (rater, case, first,
    second, chosen); one stimulus per line and one column per rater (``rater00``, ``rater01``);
    and, without any header, a bare matrix of stimuli by raters as the demos of ITU-T P.910 and
    ITU-R BT.500 have it, repetitions below a line of empty cells. Without a stimulus column,
    case and method name the stimulus.

    Args:
        path: The file.
        low: The worst score; by default inferred from the scores.
        high: The best score; likewise.
        reference: The method that is the reference, for DMOS.

    Raises:
        MalformedInput: Something cannot be taken; the message names line, value and way out.
        StorageError: The file cannot be read.
        LimitExceeded: It is larger than any rating study.
    """
    sheet = read_sheet(path)
    head, *rows = sheet.rows
    if all(_numeric(cell) for cell in head.cells):
        found = Ratings(tuple(_matrix(sheet)))
    else:
        found = _with_header(sheet, head, [row for row in rows if not row.empty])
    found = checked(replace(found, reference=reference, title=sheet.path.stem), sheet.path)
    if reference and reference not in {r.method for r in found.ratings}:
        known = ", ".join(sorted({r.method for r in found.ratings if r.method})) or "none"
        raise MalformedInput(
            f"the reference is one of the methods ({known[:150]}), got {shown(reference)}",
            path=path,
        )
    return scaled(found, sheet.path, low=low, high=high)


def _with_header(sheet: Sheet, head: Row, rows: Sequence[Row]) -> Ratings:
    places, left = find_columns(head.cells)
    wide = [i for i, name in enumerate(head.cells) if WIDE.fullmatch(_key(name))]
    chosen = {"rater", "first", "second", "chosen"} <= set(places)
    scored = {"rater", "score"} <= set(places) and bool({"stimulus", "case"} & set(places))
    if not (chosen or scored or len(wide) > 1 or (wide and "stimulus" in places)):
        raise sheet.refuse(
            head.line, "the header names columns rater, stimulus (or case and method) and score, "
            f"got {shown(', '.join(head.cells))}; rename the columns",
        )  # fmt: skip
    for row in rows:
        if len(row.cells) != len(head.cells):
            raise sheet.refuse(
                row.line, f"every line has the {len(head.cells)} cells of the header, got "
                f"{len(row.cells)}; put cells that contain the delimiter in quotes",
            )  # fmt: skip
    if chosen:
        choices = tuple(_choice(sheet, row, places) for row in rows)
        return Ratings(choices=choices, notes=_unused(left))
    if scored:
        seconds, more = _seconds(sheet, rows, places)
        ratings = [_rating(sheet, row, places, seconds.get(row.line)) for row in rows]
        given = tuple(rating for rating in ratings if rating is not None)
        if len(given) < len(rows):
            more.append(f"{len(rows) - len(given)} scores are missing and were left out.")
        return Ratings(given, notes=(*_unused(left), *more))
    left = [name for name in left if not WIDE.fullmatch(_key(name))]
    return Ratings(tuple(_wide(sheet, head, rows, places, wide)), notes=_unused(left))


def _unused(columns: Sequence[str]) -> tuple[str, ...]:
    named = [name for name in columns if name]
    return (f"Columns not used: {', '.join(named)}.",) if named else ()


def find_columns(header: Sequence[str]) -> tuple[dict[str, int], list[str]]:
    """Return which column holds what, and the names of those that hold nothing known.

    Example:
        >>> find_columns(["Reader ID", "Image", "Rating", "mood"])
        ({'rater': 0, 'stimulus': 1, 'score': 2}, ['mood'])
    """
    keys = [_key(name) for name in header]
    places: dict[str, int] = {}
    for meaning, names in COLUMNS.items():
        free = [name for name in names if name in keys and keys.index(name) not in places.values()]
        if free:
            places[meaning] = keys.index(free[0])
    left = [name for i, name in enumerate(header) if i not in places.values()]
    return places, left


def _key(name: str) -> str:
    plain = re.sub(r"[^0-9a-z]", "", name.lower())
    short = re.sub(r"(id|name|no|number|index)$", "", plain)
    return short or plain


def _cell(sheet: Sheet, row: Row, places: Mapping[str, int], what: str, *, needed: bool) -> str:
    text = row.cells[places[what]] if what in places else ""
    if needed and not text:
        raise sheet.refuse(row.line, f"{what} is a name, got an empty cell; fill it in")
    if len(text) > LONGEST:
        raise sheet.refuse(row.line, f"{what} has at most {LONGEST} characters, got {len(text)}")
    return text


def _rating(
    sheet: Sheet, row: Row, places: Mapping[str, int], seconds: float | None
) -> Rating | None:
    def cell(what: str, *, needed: bool = False) -> str:
        return _cell(sheet, row, places, what, needed=needed)

    score = sheet.number(row, cell("score"), "score")
    if math.isnan(score):
        return None
    method, case = cell("method"), cell("case", needed="stimulus" not in places)
    stimulus = cell("stimulus", needed=True) if "stimulus" in places else f"{case}/{method}"
    order = sheet.number(row, cell("repeat"), "repeat")
    return Rating(
        cell("rater", needed=True), stimulus, score, method, case, cell("session"),
        cell("question"), 0 if math.isnan(order) else int(order),
        math.nan if seconds is None else seconds,
    )  # fmt: skip


def _seconds(
    sheet: Sheet, rows: Sequence[Row], places: Mapping[str, int]
) -> tuple[dict[int, float], list[str]]:
    """Return how long each answer took, by line; nothing, and a note, where it is the hour."""
    if "seconds" not in places:
        return {}, []
    try:
        cells = {row.line: row.cells[places["seconds"]] for row in rows}
        times = {row.line: sheet.number(row, cells[row.line], "time") for row in rows}
    except MalformedInput:
        return {}, ["The column of times holds no seconds and was not used."]
    return times, []


def _choice(sheet: Sheet, row: Row, places: Mapping[str, int]) -> Choice:
    def cell(what: str, *, needed: bool = True) -> str:
        return _cell(sheet, row, places, what, needed=needed)

    first, second, said = cell("first"), cell("second"), cell("chosen", needed=False)
    word = said.lower()
    if first == second:
        raise sheet.refuse(
            row.line, f"two different methods are compared, got {shown(first)} twice"
        )
    if said in (first, second):
        chosen = said
    elif word in FIRST | SECOND:
        chosen = first if word in FIRST else second
    elif word in TIED:
        chosen = TIE
    else:
        raise sheet.refuse(
            row.line, f"chosen is {shown(first)}, {shown(second)}, first, second or tie, "
            f"got {shown(said)}",
        )  # fmt: skip
    return Choice(
        cell("rater"), cell("case", needed=False) or cell("stimulus", needed=False),
        cell("question", needed=False), first, second, chosen, cell("session", needed=False),
    )  # fmt: skip


def _wide(
    sheet: Sheet, head: Row, rows: Sequence[Row], places: Mapping[str, int], wide: Sequence[int]
) -> list[Rating]:
    used = {k: v for k, v in places.items() if v not in wide}
    named = len({_cell(sheet, row, used, "stimulus", needed=False) for row in rows}) == len(rows)
    found = []
    for count, row in enumerate(rows, 1):
        name = _cell(sheet, row, used, "stimulus", needed=False) if named else f"{count:03d}"
        method, case = (_cell(sheet, row, used, w, needed=False) for w in ("method", "case"))
        for i in wide:
            score = sheet.number(row, row.cells[i], "score")
            if not math.isnan(score):
                found.append(Rating(head.cells[i], name, score, method, case))
    return found


def _matrix(sheet: Sheet) -> list[Rating]:
    """Read a bare matrix: rows are stimuli, columns raters, repetitions below an empty line."""
    found, repeat, count = [], 0, 0
    width = len(sheet.rows[0].cells)
    for row in sheet.rows:
        if row.empty:
            repeat, count = repeat + 1, 0
            continue
        if len(row.cells) != width:
            raise sheet.refuse(
                row.line, f"every line of a matrix has {width} scores, got {len(row.cells)}; "
                "write nan where one is missing",
            )  # fmt: skip
        count += 1
        for i, cell in enumerate(row.cells, 1):
            score = sheet.number(row, cell, "score")
            if not math.isnan(score):
                found.append(Rating(f"{i:02d}", f"{count:03d}", score, repeat=repeat))
    return found


def _numeric(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return cell.lower() in MISSING
    return True
