"""From ratings to a report: HTML and PDF to read, JSON and CSV for other programs."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from medacuity import __version__
from medacuity.atomic import atomic_folder, atomic_write
from medacuity.errors import UsageError
from medacuity.study.ratings import Ratings
from medacuity.study.ratings_write import choices_csv, ratings_csv, ratings_json
from medacuity.study.report_blocks import Table
from medacuity.study.report_document import Found, document, pictures
from medacuity.study.report_findings import Values, find
from medacuity.study.report_grid import checks_failed, grid_of
from medacuity.study.report_html import html
from medacuity.study.report_json import methods_csv, raters_csv, results_json, stimuli_csv
from medacuity.study.report_pairs import pairs_of
from medacuity.study.report_pdf import pdf
from medacuity.study.report_render import svg
from medacuity.study.report_sentences import conclusions, size
from medacuity.study.report_tables import methods_table, strengths_table


def analyse(
    ratings: Ratings, *, metrics: Mapping[str, Values] | None = None, seed: int = 0
) -> Found:
    """Return everything that ratings say.

    Args:
        ratings: The answers of a study, or of any table.
        metrics: Metrics of the same stimuli, by name: a value for each stimulus.
        seed: Of all bootstraps; the same seed gives the same report.

    Raises:
        UsageError: There are no answers, or a metric knows none of the stimuli.
    """
    metrics = dict(metrics or {})
    checks = checks_failed(ratings)
    judged = {check.stimulus for check in ratings.checks}
    scored = dict.fromkeys(r.question for r in ratings.ratings if r.stimulus not in judged)
    chosen = dict.fromkeys(choice.question for choice in ratings.choices)
    if not scored and not chosen:
        raise UsageError("a report needs at least one rating, got none; wait for the raters")
    grids = [grid_of(ratings, question) for question in scored]
    for name, values in metrics.items():
        if not any(stimulus in values for grid in grids for stimulus in grid.stimuli):
            raise UsageError(
                f"the metric {name!r} has a value for some rated stimulus, got none; name stimuli "
                "in both tables alike"
            )
    return Found(
        ratings,
        tuple(find(grid, checks=checks, metrics=metrics, seed=seed) for grid in grids),
        tuple(pairs_of(ratings, question, seed=seed) for question in chosen),
        metrics, seed, __version__,
    )  # fmt: skip


def write_report(found: Found, folder: str | Path) -> list[Path]:
    """Write ``report.html``, ``report.pdf``, tables and figures into a new or empty folder.

    Args:
        found: What :func:`analyse` found.
        folder: Takes ``report.html``, ``report.pdf``, ``results.json``, ``stimuli.csv``,
            ``methods.csv``, ``raters.csv``, ``ratings.csv`` (or ``choices.csv``),
            ``ratings.json`` and ``figures/``; all or nothing.

    Raises:
        StorageError: It cannot be written, or is not empty.
    """
    with atomic_folder(folder) as beside:
        (beside / "figures").mkdir()
        files = _files(found)
        for name, data in files.items():
            with atomic_write(beside / name) as file:
                file.write(data)
    return [Path(folder) / name for name in files]


def _files(found: Found) -> dict[str, bytes]:
    """Return everything that a report's folder holds, by name."""
    blocks = document(found)
    drawn = {picture.name: svg(picture) for picture in pictures(blocks)}
    page = io.BytesIO()
    pdf(blocks, page)
    texts = {
        "report.html": html(blocks, drawn), "results.json": results_json(found),
        "ratings.json": ratings_json(found.ratings),
    }  # fmt: skip
    if found.questions:
        texts |= {"stimuli.csv": stimuli_csv(found), "methods.csv": methods_csv(found),
                  "raters.csv": raters_csv(found)}  # fmt: skip
    if found.ratings.ratings:
        texts["ratings.csv"] = ratings_csv(found.ratings.ratings)
    if found.ratings.choices:
        texts["choices.csv"] = choices_csv(found.ratings.choices)
    files = {name: written.encode() for name, written in texts.items()}
    files["report.pdf"] = page.getvalue()
    return files | {f"figures/{name}.svg": data for name, data in drawn.items()}


def without(ratings: Ratings, raters: Sequence[str]) -> Ratings:
    """Return ratings without those of some raters, and a note that says so.

    Raises:
        UsageError: There is no such rater.
    """
    known = {r.rater for r in ratings.ratings} | {c.rater for c in ratings.choices}
    strange = [name for name in raters if name not in known]
    if strange:
        raise UsageError(
            f"raters to leave out are among those who rated, got {strange[0]!r}; there are "
            f"{', '.join(sorted(known)[:20])}"
        )
    note = (f"Left out: {', '.join(raters)}.",) if raters else ()
    return replace(
        ratings, notes=(*ratings.notes, *note),
        ratings=tuple(r for r in ratings.ratings if r.rater not in raters),
        choices=tuple(c for c in ratings.choices if c.rater not in raters),
    )  # fmt: skip


def text(found: Found) -> str:
    """Return the sentences and the table of methods for a terminal."""
    lines = [size(found.ratings)]
    for finding in found.questions:
        lines += ["", finding.grid.question] * bool(finding.grid.question)
        lines += ["", *conclusions(finding), "", *_aligned(methods_table(finding))]
    for pairs in found.pairs:
        lines += ["", pairs.question] * bool(pairs.question)
        lines += ["", *_aligned(strengths_table(pairs))]
    return "\n".join(lines)


def _aligned(table: Table) -> list[str]:
    rows = [table.head, *table.rows]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.head))]
    return [
        "  ".join(
            cell.rjust(width) if i else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
