"""What a report says in sentences: who answered, who leads, who agrees, who was not looking."""

import math

from medacuity.metrics.opinion.icc import ICC
from medacuity.study.ratings import Ratings
from medacuity.study.report_blocks import bracket, listed, number
from medacuity.study.report_findings import QuestionFinding
from medacuity.study.report_raters import overall_repeats
from medacuity.study.report_tables import band

OF = ("method", "case")
NAMED = 8
"""Raters that a sentence names."""


def size(given: Ratings) -> str:
    """Return who answered what, and how often, as a sentence."""
    raters = {r.rater for r in given.ratings} | {c.rater for c in given.choices}
    judged = {check.stimulus for check in given.checks}
    scores = [r for r in given.ratings if r.stimulus not in judged]
    said = []
    if scores:
        stimuli = len({r.stimulus for r in scores})
        methods, cases = (len({getattr(r, what) for r in scores} - {""}) for what in OF)
        of = f" ({counted(methods, 'method')}, {counted(cases, 'case')})"
        known = methods > 0 and cases > 0
        told = f"{counted(len(scores), 'rating')} to {counted(stimuli, 'stimulus')}"
        said.append(told + of if known else told)
    if given.choices:
        said.append(f"{counted(len(given.choices), 'choice')} between two")
    if len(scores) < len(given.ratings):
        checks = len(given.ratings) - len(scores)
        said.append(f"{counted(checks, 'answer')} to attention checks")
    return f"{counted(len(raters), 'rater').capitalize()} gave {listed(said)}."


def counted(count: int, what: str) -> str:
    """Return a number of things.

    Example:
        >>> counted(1, "case"), counted(2, "stimulus")
        ('1 case', '2 stimuli')
    """
    many = "stimuli" if what == "stimulus" else f"{what}s"
    return f"{count} {what if count == 1 else many}"


def conclusions(finding: QuestionFinding) -> list[str]:
    """Return what was found, in sentences: who leads, who agrees, who was not looking."""
    said = []
    if len(finding.methods) > 1:
        said.append(_leader(finding))
    icc = finding.agreement.icc
    if icc is not None:
        said.append(_agreement(icc))
    again = overall_repeats(finding.grid)
    if again.pairs:
        same = f"{100 * again.same:.0f} % got the same score; " if finding.grid.scale.step else ""
        said.append(
            f"Of {again.pairs} stimuli that were shown a second time, {same}95 % of second scores "
            f"differ by less than {again.repeatability:.2f} (weighted kappa {number(again.kappa)})."
        )
    if finding.metrics:
        said.append(best_metric(finding))
    flagged = [f"{r.name} ({listed(r.flags)})" for r in finding.raters if r.flags]
    if flagged:
        more = len(flagged) - NAMED
        shown = [*flagged[:NAMED], f"{more} more (table of raters)"] if more > 1 else flagged
        said.append(f"Raters to look at: {listed(shown)}.")
    return said


def _agreement(icc: ICC) -> str:
    """Return what raters are worth, one alone and all together."""
    if not math.isfinite(icc.two.value):
        return "How far single raters agree cannot be said of so few stimuli."
    said = f"Agreement of single raters is {band(icc.two)}: ICC(2,1) {number(icc.two.value)}"
    said += bracket(icc.two)
    if math.isfinite(icc.two_mean.value):
        said += f"; of the mean of all {icc.raters} it is {band(icc.two_mean)}: ICC(2,k) "
        said += f"{number(icc.two_mean.value)}{bracket(icc.two_mean)}"
    return f"{said}."


def _leader(finding: QuestionFinding) -> str:
    """Return which method was rated best, the reference apart, and than which it is better."""
    grid = finding.grid
    apart = grid.methods[grid.reference] if grid.reference >= 0 else ""
    digits = 2 if grid.scale.step else 1
    ranked = sorted((m for m in finding.methods if m.name != apart), key=lambda m: -m.mos.value)
    best, others = ranked[0], [m.name for m in ranked[1:]]
    better = {c.second for c in finding.comparisons if c.first == best.name and c.p <= 0.05}
    said = f"{best.name} was rated best: MOS {number(best.mos.value, digits)}"
    said += bracket(best.mos, digits)
    told, ties = ([m for m in others if (m in better) is true] for true in (True, False))
    said += f", better than {listed(told)} (corrected p at most 0.05)." if told else "."
    said += f" No difference from {listed(ties)} could be shown." if ties else ""
    reference = next((m for m in finding.methods if m.name == apart), None)
    if reference is not None:
        said += f" The reference, {apart}, got {number(reference.mos.value, digits)}."
    return said


def best_metric(finding: QuestionFinding) -> str:
    """Return which metric tells best what people see, as a sentence."""
    known = [item for item in finding.metrics.items() if math.isfinite(item[1].ranks.value)]
    if not known:
        return "No metric could be correlated with opinion: one of the two does not vary."
    name, found = max(known, key=lambda item: abs(item[1].ranks.value))
    said = (
        f"Of {counted(len(finding.metrics), 'metric')}, {name} goes best with opinion: SROCC "
        f"{number(found.ranks.value)}{bracket(found.ranks)}"
    )
    if math.isfinite(found.within.value):
        share = f"{100 * found.within.value:.0f} %"
        said += f"; of two versions of one case it prefers what people prefer in {share}"
    return f"{said}."
