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
    span,
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
from medacuity.study.report_raters import overall_repeats
from medacuity.study.report_tables import (
    agreement_table,
    band,
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
    blocks: list[Block] = [Heading(found.ratings.title or "Rating study", 1), Words(_size(found))]
    several = len(found.questions) + len(found.pairs) > 1
    for n, finding in enumerate(found.questions, 1):
        title = finding.grid.question or "Scores"
        blocks += [Heading(title), *_scores(finding, found, prefix=f"q{n}-" if several else "")]
    for n, pairs in enumerate(found.pairs, len(found.questions) + 1):
        title = pairs.question or "Choices"
        blocks += [Heading(title), *_choices(pairs, prefix=f"q{n}-" if several else "")]
    notes = [*found.ratings.notes, *(note for finding in found.questions for note in finding.notes)]
    blocks.append(Heading("How to read this"))
    blocks += [Words(METHOD), *(Words(note) for note in dict.fromkeys(notes))]
    blocks.append(
        Words(f"Written by medacuity {found.version}; bootstraps from seed {found.seed}.")
    )
    return [block.short() if isinstance(block, Table) else block for block in blocks]


def _size(found: Found) -> str:
    given = found.ratings
    raters = len({r.rater for r in given.ratings} | {c.rater for c in given.choices})
    said = [f"{raters} rater{'s' * (raters != 1)}"]
    if found.ratings.ratings:
        stimuli = len({rating.stimulus for rating in found.ratings.ratings})
        said.append(f"{len(found.ratings.ratings)} ratings of {stimuli} stimuli")
    if found.ratings.choices:
        said.append(f"{len(found.ratings.choices)} choices between two")
    return f"{listed(said)}.".capitalize()


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
    return [*blocks, raters_table(finding.raters), components_table(finding)]


def conclusions(finding: QuestionFinding) -> list[str]:
    """Return what was found, in sentences: who leads, who agrees, who was not looking."""
    said = []
    ranked = sorted(finding.methods, key=lambda m: -m.mos.value)
    digits = 2 if finding.grid.scale.step else 1
    if len(ranked) > 1:
        best = ranked[0]
        told = [c.second for c in finding.comparisons if c.first == best.name and c.p <= 0.05]
        ties = [m.name for m in ranked[1:] if m.name not in told]
        said.append(
            f"{best.name} was rated best: MOS {number(best.mos.value, digits)} "
            f"({span(best.mos, digits)})."
            + (f" It is better than {listed(told)} (corrected p at most 0.05)." if told else "")
            + (f" No difference to {listed(ties)} could be shown." if ties else "")
        )  # fmt: skip
    icc = finding.agreement.icc
    if icc is not None:
        said.append(
            f"Agreement of single raters is {band(icc.two)}: ICC(2,1) {number(icc.two.value)} "
            f"({span(icc.two)}); of the mean of all {icc.raters} it is {band(icc.two_mean)}: "
            f"ICC(2,k) {number(icc.two_mean.value)} ({span(icc.two_mean)})."
        )
    again = overall_repeats(finding.grid)
    if again.pairs:
        said.append(
            f"Of {again.pairs} stimuli that were shown a second time, {100 * again.same:.0f} % got "
            f"the same score; second scores differ by up to {again.repeatability:.2f} in 95 % of "
            f"cases (weighted kappa {number(again.kappa)})."
        )
    if finding.metrics:
        said.append(best_metric(finding))
    flagged = [f"{r.name} ({listed(r.flags)})" for r in finding.raters if r.flags]
    if flagged:
        said.append(f"Raters to look at: {listed(flagged)}.")
    return said


def best_metric(finding: QuestionFinding) -> str:
    """Return which metric tells best what people see, as a sentence."""
    name, found = max(finding.metrics.items(), key=lambda item: abs(item[1].ranks.value))
    return (
        f"Of {len(finding.metrics)} metric{'s' * (len(finding.metrics) != 1)}, {name} goes best "
        f"with opinion: SROCC {number(found.ranks.value)} ({span(found.ranks)}); of two versions "
        f"of one case it prefers what people prefer in {100 * found.within.value:.0f} %."
    )


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
