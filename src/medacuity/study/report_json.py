"""Findings for other programs: JSON with everything in full, CSV a table at a time."""

import dataclasses
import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from medacuity.metrics.opinion.estimate import Estimate
from medacuity.study.ratings_write import table_csv
from medacuity.study.report_document import Found
from medacuity.study.report_findings import QuestionFinding
from medacuity.study.report_pairs import PairsFinding


def results_json(found: Found) -> str:
    """Return all findings as JSON; what has no value is null."""
    ratings = found.ratings
    return json.dumps(
        {
            "title": ratings.title, "medacuity": found.version, "seed": found.seed,
            "ratings": len(ratings.ratings), "choices": len(ratings.choices),
            "notes": list(ratings.notes),
            "questions": [_question(finding) for finding in found.questions],
            "pairs": [_pairs(finding) for finding in found.pairs],
        },
        indent=1, ensure_ascii=False, allow_nan=False,
    )  # fmt: skip


def stimuli_csv(found: Found) -> str:
    """Return the scores of every stimulus as CSV."""
    head = ("question", "stimulus", "method", "case", "ratings", "mos", "sd", "low", "high",
            "recovered", "recovered_error")  # fmt: skip
    rows = [row for finding in found.questions for row in _stimuli(finding)]
    return table_csv(head, rows)


def methods_csv(found: Found) -> str:
    """Return the scores of every method as CSV."""
    head = (
        "question", "method", "stimuli", "ratings", "mos", "low", "high", "wider_low",
        "wider_high", "dmos", "dmos_low", "dmos_high", "recovered", "without_flagged",
    )  # fmt: skip
    rows = [
        (f.grid.question, m.name, m.stimuli, m.ratings, *_ends(m.mos), m.wider.low, m.wider.high,
         *_ends(m.dmos), m.recovered, m.without)
        for f in found.questions for m in f.methods
    ]  # fmt: skip
    return table_csv(head, rows)


def raters_csv(found: Found) -> str:
    """Return what the scores say of every rater as CSV."""
    head = ("question", "rater", "ratings", "mean", "bias", "bias_low", "bias_high",
            "inconsistency", "correlation", "checks_failed", "checks", "repeats", "same_again",
            "seconds", "flagged")  # fmt: skip
    rows = [
        (f.grid.question, r.name, r.ratings, r.mean, *_ends(r.bias), r.inconsistency.value,
         r.correlation, r.failed, r.checks, r.repeats.pairs, r.repeats.same, r.seconds,
         "; ".join(r.flags))
        for f in found.questions for r in f.raters
    ]  # fmt: skip
    return table_csv(head, rows)


def _stimuli(finding: QuestionFinding) -> list[Sequence[Any]]:
    grid, scores, recovery = finding.grid, finding.scores, finding.recovery
    none = np.full(len(grid.stimuli), math.nan)
    quality, error = (none, none) if recovery is None else (recovery.quality, recovery.error)
    return [
        (
            grid.question, name, grid.methods[grid.method[i]], grid.cases[grid.case[i]],
            int(scores.count[i]), float(scores.mean[i]), float(scores.sd[i]),
            float(scores.low[i]), float(scores.high[i]), float(quality[i]), float(error[i]),
        )
        for i, name in enumerate(grid.stimuli)
    ]  # fmt: skip


def _ends(estimate: Estimate) -> tuple[float, float, float]:
    return estimate.value, estimate.low, estimate.high


def _question(finding: QuestionFinding) -> dict[str, Any]:
    grid = finding.grid
    known: dict[str, Any] = plain({
        "question": grid.question, "scale": grid.scale, "methods": finding.methods,
        "comparisons": finding.comparisons, "components": finding.components,
        "agreement": finding.agreement, "raters": finding.raters, "metrics": finding.metrics,
        "notes": finding.notes,
    })  # fmt: skip
    head = ("question", "stimulus", "method", "case", "ratings", "mos", "sd", "low", "high",
            "recovered", "recovered_error")  # fmt: skip
    rows = [dict(zip(head[1:], plain(row[1:]), strict=True)) for row in _stimuli(finding)]
    return known | {"stimuli": rows}


def _pairs(finding: PairsFinding) -> dict[str, Any]:
    fields = {f.name: getattr(finding, f.name) for f in dataclasses.fields(finding)}
    fields["p"] = [
        {"first": finding.methods[i], "second": finding.methods[j], "p": p}
        for (i, j), p in finding.p.items()
    ]
    fields["estimates"] = finding.strengths.estimates()
    found: dict[str, Any] = plain(fields)
    return found


def plain(value: Any) -> Any:
    """Return a value as JSON knows it: records as objects, arrays as lists, NaN as null.

    Example:
        >>> plain(Estimate(1.5))
        {'value': 1.5, 'low': None, 'high': None}
    """
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: plain(getattr(value, f.name)) for f in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(name): plain(entry) for name, entry in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, list | tuple):
        return [plain(entry) for entry in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
