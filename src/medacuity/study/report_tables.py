"""The tables of a report: one function per table, numbers to text."""

import math
from collections.abc import Sequence

from medacuity.metrics.opinion.estimate import Estimate
from medacuity.metrics.opinion.scores import mos
from medacuity.study.report_blocks import Table, chance, number, span
from medacuity.study.report_findings import QuestionFinding
from medacuity.study.report_pairs import PairsFinding
from medacuity.study.report_raters import RaterFinding

BANDS = ((0.9, "excellent"), (0.75, "good"), (0.5, "moderate"), (-math.inf, "poor"))
"""Words for an intraclass correlation (Koo & Li, 2016), by its lower end."""


def methods_table(finding: QuestionFinding) -> Table:
    """Return how each method was rated, the best first."""
    digits = 2 if finding.grid.scale.step else 1
    differential = finding.grid.reference >= 0
    flagged = any(rater.flags for rater in finding.raters)
    head = ["method", "stimuli", "ratings", "MOS", "95 % interval", "for others like these"]
    head += ["DMOS", "95 % interval"] * differential
    head += ["recovered"] + ["without flagged"] * flagged
    rows = []
    for m in sorted(finding.methods, key=lambda m: -m.mos.value):
        row = [m.name or "all stimuli", str(m.stimuli), str(m.ratings)]
        row += [number(m.mos.value, digits), span(m.mos, digits), span(m.wider, digits)]
        row += [number(m.dmos.value, digits), _differential(m.dmos, digits)] * differential
        row += [number(m.recovered, digits)] + [number(m.without, digits)] * flagged
        rows.append(tuple(row))
    note = (
        "95 % interval: Student's, over all ratings of the method. For others like these: of the "
        "same mean when other raters see other cases (mixed model). Recovered: mean quality after "
        "the raters' bias and inconsistency are taken out (ITU-T P.910)."
    )
    if differential:
        note += f" DMOS: against the hidden reference, which is {finding.grid.scale.high:g}."
    return Table("Mean opinion scores by method", tuple(head), tuple(rows), note)


def _differential(dmos: Estimate, digits: int) -> str:
    """Return the interval; none of the reference against itself, which is no measurement."""
    return "-" if dmos.low == dmos.high else span(dmos, digits)


def comparisons_table(finding: QuestionFinding) -> Table:
    """Return every pair of methods: difference, corrected p values, and area under VGC."""
    digits = 2 if finding.grid.scale.step else 1
    rows = []
    for pair in finding.comparisons:
        gap = Estimate(math.nan) if pair.contrast is None else pair.contrast.difference
        area = Estimate(math.nan) if pair.grading is None else pair.grading.area
        rows.append((
            f"{pair.first} - {pair.second}", number(gap.value, digits, signed=True),
            span(gap, digits, signed=True), chance(pair.p), chance(pair.rank_p),
            number(area.value), span(area),
        ))  # fmt: skip
    return Table(
        "Methods against each other",
        ("pair", "difference", "95 % interval", "p", "p (Wilcoxon)", "VGC area", "95 % interval"),
        tuple(rows),
        "Difference, interval and p: mixed model with raters and cases as random effects, "
        "Satterthwaite's degrees of freedom. Wilcoxon: signed ranks of the cases' means. Both p "
        "are corrected for the number of pairs (Holm). VGC area: 0.5 where both are graded alike; "
        "interval by drawing readers and cases again.",
    )


def cases_table(finding: QuestionFinding) -> Table:
    """Return the mean opinion of each case by method, with half its interval."""
    grid = finding.grid
    digits = 2 if grid.scale.step else 1
    tables = [mos(grid.by_case(i)) for i in range(len(grid.methods))]
    rows = []
    for c, case in enumerate(grid.cases):
        cells = [table[c] for table in tables]
        shown = [
            number(cell.value, digits)
            + (f" ± {cell.high - cell.value:.{digits}f}" if math.isfinite(cell.high) else "")
            for cell in cells
        ]
        rows.append((case, *shown))
    return Table(
        "Mean opinion scores by case", ("case", *(name or "MOS" for name in grid.methods)),
        tuple(rows), "± half of Student's 95 % interval over raters.",
    )  # fmt: skip


def agreement_table(finding: QuestionFinding) -> Table:
    """Return how far raters agree, in the usual coefficients."""
    found, rows = finding.agreement, []
    if found.icc is not None:
        forms = (
            ("ICC(1,1)", found.icc.one, "one rater, drawn anew for each stimulus"),
            ("ICC(1,k)", found.icc.one_mean, "mean of k such raters"),
            ("ICC(2,1)", found.icc.two, "one rater who stands for others: absolute agreement"),
            ("ICC(2,k)", found.icc.two_mean, "mean of k such raters"),
            ("ICC(3,1)", found.icc.three, "one of these raters: consistency"),
            ("ICC(3,k)", found.icc.three_mean, "mean of these k raters"),
        )
        rows += [(name, number(e.value), span(e), means) for name, e, means in forms]
    kind = "ordinal" if finding.grid.scale.step else "interval"
    alpha, kappa = found.alpha, found.kappa
    rows.append((f"Krippendorff's alpha, {kind}", number(alpha.value), span(alpha),
                 "0.8 reliable, 0.667 for tentative conclusions"))  # fmt: skip
    rows.append(("weighted kappa", number(kappa.value), span(kappa),
                 "squared weights, mean over pairs of raters"))  # fmt: skip
    note = ""
    if found.icc is not None:
        note = f"ICC of {found.icc.stimuli} stimuli that all {found.icc.raters} raters saw."
    return Table(
        "Agreement", ("coefficient", "value", "95 % interval", "what it says"), tuple(rows), note
    )


def band(estimate: Estimate) -> str:
    """Return the word for an intraclass correlation, by its value.

    Example:
        >>> band(Estimate(0.8))
        'good'
    """
    return next(word for least, word in BANDS if estimate.value >= least)


def raters_table(raters: Sequence[RaterFinding]) -> Table:
    """Return what the scores say of each rater."""
    repeated = any(rater.repeats.pairs for rater in raters)
    checked = any(rater.checks for rater in raters)
    timed = any(math.isfinite(rater.seconds) for rater in raters)
    head = ["rater", "ratings", "mean", "bias", "95 % interval", "inconsistency", "correlation"]
    head += ["same again", "kappa again"] * repeated + ["checks failed"] * checked
    flagged = any(rater.flags for rater in raters)
    head += ["seconds"] * timed + ["flagged"] * flagged
    rows = []
    for r in raters:
        row = [r.name, str(r.ratings), number(r.mean), number(r.bias.value, signed=True)]
        row += [span(r.bias, signed=True), number(r.inconsistency.value), number(r.correlation)]
        same = f"{100 * r.repeats.same:.0f} % of {r.repeats.pairs}" if r.repeats.pairs else "-"
        row += [same, number(r.repeats.kappa)] * repeated
        row += [f"{r.failed} of {r.checks}"] * checked + [number(r.seconds, 1)] * timed
        rows.append((*row, *["; ".join(r.flags)] * flagged))
    note = "Bias and inconsistency by ITU-T P.910. Correlation: with the mean of the panel."
    if repeated:
        note += " Again: second scores of the same stimuli against the first."
    return Table("Raters", tuple(head), tuple(rows), note)


def components_table(finding: QuestionFinding) -> Table:
    """Return where the spread of scores comes from."""
    parts = finding.components
    if parts is None:
        return Table("Where the spread comes from", ("part", "sd", "share"), ())
    named = (
        ("raters: strict or mild", parts.rater),
        ("cases: hard or easy", parts.case),
        ("taste: rater × method", parts.rater_method),
        ("case × method", parts.case_method),
        ("the rest: chance in one answer", parts.residual),
    )
    total = sum(variance for _, variance in named) or 1.0
    return Table(
        "Where the spread comes from", ("part", "sd", "share"),
        tuple((name, number(math.sqrt(v)), f"{100 * v / total:.0f} %") for name, v in named),
        "Variance components of the mixed model, what methods differ by taken out; "
        "for planning the next study.",
    )  # fmt: skip


def metrics_table(finding: QuestionFinding) -> Table:
    """Return how each metric goes with opinion, the closest first."""
    known = {name: abs(found.ranks.value) for name, found in finding.metrics.items()}
    ordered = sorted(
        finding.metrics.items(), key=lambda item: -known[item[0]] if known[item[0]] >= 0 else 1
    )
    rows = tuple(
        (
            name, str(a.stimuli), number(a.linear.value), span(a.linear), number(a.ranks.value),
            span(a.ranks), number(a.pairs.value), span(a.pairs), number(a.within.value),
            span(a.within),
        )
        for name, a in ordered
    )  # fmt: skip
    ends = "95 % interval"
    return Table(
        "Metrics and opinion",
        ("metric", "stimuli", "PLCC", ends, "SROCC", ends, "KROCC", ends, "within cases", ends),
        rows,
        "Correlation with the recovered quality (P.910): Pearson, Spearman, Kendall; negative "
        "where less is better. Within cases: of two versions of one case, how often the metric "
        "prefers the one that people do; 0.5 is chance. Intervals by drawing cases again.",
    )


def strengths_table(finding: PairsFinding) -> Table:
    """Return the strengths of what was compared, the strongest first."""
    estimates, other = finding.strengths.estimates(), finding.thurstone.value
    order = sorted(range(len(finding.methods)), key=lambda i: -estimates[i].value)
    seen = finding.wins + finding.wins.T
    rows = tuple(
        (
            finding.methods[i], f"{finding.wins[i].sum():g} of {seen[i].sum():g}",
            number(estimates[i].value, signed=True), span(estimates[i], signed=True),
            span(finding.wider[i], signed=True), number(float(other[i]), signed=True),
        )
        for i in order
    )  # fmt: skip
    note = (
        "Bradley and Terry: log odds against the mean of all; 95 % interval if all choices were "
        "independent, and when raters are drawn again. Thurstone: case V."
    )
    if finding.strengths.prior:
        note += (
            f" {finding.strengths.prior:g} wins were added to both sides of every pair seen, as "
            "somebody won or lost everything."
        )
    head = ("method", "preferred", "strength", "95 % interval", "over raters", "Thurstone")
    return Table("Strengths", head, rows, note)


def duels_table(finding: PairsFinding) -> Table:
    """Return who was preferred to whom how often, with the chance that they are equal."""
    rows = []
    for (i, j), p in finding.p.items():
        a, b = (i, j) if finding.wins[i, j] >= finding.wins[j, i] else (j, i)
        count = finding.wins[a, b] + finding.wins[b, a]
        share = f"{100 * finding.wins[a, b] / count:.0f} %" if count else "-"
        score = f"{finding.wins[a, b]:g} : {finding.wins[b, a]:g}"
        rows.append((f"{finding.methods[a]} : {finding.methods[b]}", score, share, chance(p)))
    return Table(
        "Pairs", ("pair", "preferred", "share", "p"), tuple(rows),
        "Ties count half for both. p: of equal strength (Bradley and Terry), corrected for the "
        "number of pairs (Holm).",
    )  # fmt: skip
