"""A report from beginning to end: what stands where, and the sentences that say what was found."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from medacuity.study.ratings import Ratings
from medacuity.study.report_blocks import (
    Block,
    Heading,
    Picture,
    Table,
    Words,
    chance,
    listed,
    number,
)
from medacuity.study.report_figures import (
    draw_cases,
    draw_grades,
    draw_gradings,
    draw_methods,
    draw_metrics,
    draw_raters,
    draw_strengths,
)
from medacuity.study.report_findings import QuestionFinding, Values
from medacuity.study.report_grid import Array
from medacuity.study.report_pairs import PairsFinding
from medacuity.study.report_sentences import best_metric, conclusions, size
from medacuity.study.report_tables import (
    agreement_table,
    cases_table,
    comparisons_table,
    components_table,
    duels_table,
    methods_table,
    metrics_table,
    raters_table,
    strengths_table,
)

METHOD = (
    "Every number says in the words below its table how it was computed; docs/opinion.md of "
    "medacuity has the formulas and their sources. Repeats judge the rater only: means are of "
    "first scores. Attention checks and training items are in no mean. Flagged raters are in every "
    "mean unless it says otherwise: whether to leave them out is decided before a study."
)


@dataclass(frozen=True)
class Found:
    """All findings of a study.

    Attributes:
        ratings: What they come from.
        questions: Of each question that was answered by scores.
        pairs: Of each question that was answered by choices.
        metrics: The metrics that were given, by name.
        seed: Of the bootstraps.
        version: Of medacuity.
    """

    ratings: Ratings
    questions: tuple[QuestionFinding, ...]
    pairs: tuple[PairsFinding, ...]
    metrics: Mapping[str, Values]
    seed: int
    version: str


def document(found: Found) -> list[Block]:
    """Return a report as blocks, from its title to its last note."""
    blocks: list[Block] = [
        Heading(found.ratings.title or "Rating study", 1),
        Words(size(found.ratings)),
    ]
    several = len(found.questions) + len(found.pairs) > 1
    for n, finding in enumerate(found.questions, 1):
        blocks += [
            Heading(finding.grid.question or "Scores"),
            *_scores(finding, found, prefix=f"q{n}-" if several else ""),
        ]
    for n, pairs in enumerate(found.pairs, len(found.questions) + 1):
        blocks += [
            Heading(pairs.question or "Choices"),
            *_choices(pairs, prefix=f"q{n}-" if several else ""),
        ]
    blocks.append(Heading("How to read this"))
    blocks += [Words(METHOD), *(Words(note) for note in found.ratings.notes)]
    blocks.append(
        Words(f"Written by medacuity {found.version}; bootstraps from seed {found.seed}.")
    )
    return [block.short() if isinstance(block, Table) else block for block in blocks]


def _scores(finding: QuestionFinding, found: Found, *, prefix: str) -> list[Block]:
    several = len(finding.grid.methods) > 1
    values = [_values(finding, found.metrics[name]) for name in finding.metrics]
    blocks: list[Block] = [Words(sentence) for sentence in conclusions(finding)]
    blocks += [methods_table(finding), _methods_picture(finding, prefix), _grades(finding, prefix)]
    if several:
        blocks += [comparisons_table(finding), *_gradings(finding, prefix)]
    blocks += [_cases_picture(finding, prefix), cases_table(finding)]
    if finding.metrics:
        rows = -(-len(values) // 3)
        blocks += [metrics_table(finding), Picture(
            f"{prefix}metrics", "Opinion against each metric, a point per stimulus.",
            best_metric(finding), partial(draw_metrics, finding=finding, values=values),
            0.7 + 2.3 * rows,
        )]  # fmt: skip
    blocks.append(agreement_table(finding))
    if finding.recovery is not None:
        blocks.append(_raters_picture(finding, prefix))
    blocks += [raters_table(finding.raters), components_table(finding)]
    return [*blocks, *(Words(note) for note in finding.notes)]


def _methods_picture(finding: QuestionFinding, prefix: str) -> Picture:
    count = len(finding.methods)
    means = [f"{m.name or 'all stimuli'} {number(m.mos.value)}" for m in finding.methods]
    return Picture(
        f"{prefix}methods", "Mean opinion scores. Thick: 95 % interval over the ratings. Thin: for "
        "other raters and other cases like these.", f"Mean opinion scores: {listed(means)}.",
        partial(draw_methods, finding=finding), 0.9 + 0.42 * count,
    )  # fmt: skip


def _grades(finding: QuestionFinding, prefix: str) -> Picture:
    return Picture(
        f"{prefix}grades", "How often each grade was given." if finding.grid.scale.step else
        "Scores: median, quartiles and range.", "Distribution of the scores of each method.",
        partial(draw_grades, finding=finding), 1.0 + 0.36 * len(finding.methods),
    )  # fmt: skip


def _gradings(finding: QuestionFinding, prefix: str) -> list[Block]:
    grid = finding.grid
    worst = min(finding.methods, key=lambda m: m.mos.value).name
    baseline = grid.methods[grid.reference] if grid.reference >= 0 else worst
    return [Picture(
        f"{prefix}vgc", f"Visual grading characteristics against {baseline}: above the diagonal "
        "where graded better.", f"VGC curves of all methods against {baseline}; the areas stand in "
        "the table of pairs.", partial(draw_gradings, finding=finding, baseline=baseline), 3.4,
    )]  # fmt: skip


def _cases_picture(finding: QuestionFinding, prefix: str) -> Picture:
    return Picture(
        f"{prefix}cases", "Mean opinion score of each case, from the hardest; bars are 95 % "
        "intervals over raters.", "Mean opinion score of each case by method; numbers stand in the "
        "table by case.", partial(draw_cases, finding=finding), 3.4,
    )  # fmt: skip


def _raters_picture(finding: QuestionFinding, prefix: str) -> Picture:
    flagged = [r.name for r in finding.raters if r.flags]
    return Picture(
        f"{prefix}raters", "Raters by bias and inconsistency (ITU-T P.910) with 95 % intervals; "
        "crosses are flagged.", f"Flagged raters: {listed(flagged) or 'none'}.",
        partial(draw_raters, finding=finding), 3.0,
    )  # fmt: skip


def _choices(finding: PairsFinding, *, prefix: str) -> list[Block]:
    best = finding.methods[int(np.argmax(finding.strengths.value))]
    said = f"{best} was preferred most, in {finding.choices} choices ({finding.ties} ties)."
    if not math.isnan(finding.first_chosen):
        said += (
            f" What was shown first was chosen in {100 * finding.first_chosen:.0f} % of decided "
            f"choices (p of no habit: {chance(finding.first_p)})."
        )
    picture = Picture(
        f"{prefix}strengths", "Strengths by Bradley and Terry. Thick: 95 % interval of independent "
        "choices. Thin: when raters are drawn again.", f"{best} is the strongest.",
        partial(draw_strengths, finding=finding), 0.9 + 0.42 * len(finding.methods),
    )  # fmt: skip
    return [Words(said), strengths_table(finding), picture, duels_table(finding)]


def _values(finding: QuestionFinding, values: Values) -> Array:
    return np.array([values.get(name, math.nan) for name in finding.grid.stimuli])


def pictures(blocks: Sequence[Block]) -> list[Picture]:
    """Return the pictures of a report."""
    return [block for block in blocks if isinstance(block, Picture)]
