"""Cases x methods x one protocol -> a table: means, spread, intervals, paired tests.

    methods = {"cubic": cubic, "ours": enhancer}
    table = evaluate(methods, cases, protocol("head"), interpolations=["cubic"])

Figures of one case are comparable across methods, and those of one method hardly across cases;
so methods are compared in pairs, case by case, against the best interpolation. How the table
looks is in ``medacuity.evaluate_report``; pictures are in ``medacuity.evaluate_pictures``.
"""

import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from medacuity.errors import MedacuityError, SafetyGate, UsageError
from medacuity.evaluate_statistics import Interval, bootstrap, signed_rank, spread
from medacuity.metrics.protocols import Protocol, Record
from medacuity.volume import Volume

LOWER_IS_BETTER = frozenset({"nrmse", "mae"})

Method = Callable[[Volume], Volume]
"""What is compared: from the degraded volume to one on the truth's grid."""


@dataclass(frozen=True)
class Case:
    """A scan to be enhanced, and the truth to compare with.

    Args:
        name: Names the case in the table; a file's stem rather than a patient.
        load: Returns the input and the truth; called when the case's turn comes, so that one
            case is in memory at a time.
    """

    name: str
    load: Callable[[], tuple[Volume, Volume]]


@dataclass(frozen=True)
class Result:
    """What one method reached on one case, or why it reached nothing.

    Args:
        record: Figures by name; empty when the case was refused.
        refusal: Empty, or the reason in one sentence.
        seconds: Time the method took.
    """

    case: str
    method: str
    record: Record
    refusal: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Paired:
    """A method against the baseline, over the cases that both did.

    Args:
        baseline: The best interpolation.
        difference: Mean over cases of method - baseline.
        interval: 95 % bootstrap interval of that mean.
        p: Two-sided Wilcoxon signed-rank test; NaN when no case differs.
        exact: Whether ``p`` was counted rather than approximated.
        wins: Cases in which the method was better.
        cases: Cases compared.
    """

    baseline: str
    difference: float
    interval: Interval
    p: float
    exact: bool
    wins: int
    cases: int


@dataclass(frozen=True)
class Row:
    """One method's line: over ``cases`` cases the mean, standard deviation (n - 1) and interval."""

    method: str
    cases: int
    mean: float
    spread: float
    interval: Interval
    paired: Paired | None


@dataclass(frozen=True)
class Table:
    """All figures of an evaluation, and the statistics made from them.

    Args:
        protocol: How was measured, in one line, the data range with it.
        methods: Names, in the order of the lines.
        cases: Names, in the order they were run.
        results: One per case and method.
        interpolations: Methods among which the baseline is sought.
        seed: Of the bootstrap.
    """

    protocol: str
    methods: tuple[str, ...]
    cases: tuple[str, ...]
    results: tuple[Result, ...]
    interpolations: tuple[str, ...] = ()
    seed: int = 0

    @property
    def refusals(self) -> tuple[Result, ...]:
        """What was not measured, and why."""
        return tuple(result for result in self.results if result.refusal)

    def values(self, method: str, metric: str) -> dict[str, float]:
        """Return a method's figure for every case it did."""
        return {
            result.case: result.record[metric]
            for result in self.results
            if result.method == method and metric in result.record
        }

    def baseline(self, metric: str) -> str | None:
        """Return the interpolation with the best mean; None when there is none."""
        means = {
            name: float(np.mean(list(values.values())))
            for name in self.interpolations
            if (values := self.values(name, metric))
        }
        if not means:
            return None
        best = min if metric in LOWER_IS_BETTER else max
        return best(means, key=lambda name: means[name])

    def rows(self, metric: str) -> list[Row]:
        """Return one line per method for a figure such as ``"psnr"``."""
        baseline = self.baseline(metric)
        return [self._row(method, metric, baseline) for method in self.methods]

    def _row(self, method: str, metric: str, baseline: str | None) -> Row:
        values = np.array([*self.values(method, metric).values()])
        paired = None
        if baseline is not None and method != baseline and values.size:
            paired = self._paired(method, baseline, metric)
        return Row(
            method,
            values.size,
            float(values.mean()) if values.size else math.nan,
            spread(values),
            bootstrap(values, seed=self.seed),
            paired,
        )

    def _paired(self, method: str, baseline: str, metric: str) -> Paired | None:
        ours, theirs = self.values(method, metric), self.values(baseline, metric)
        pairs = [(ours[case], theirs[case]) for case in ours if case in theirs]
        if not pairs:
            return None
        # Two perfect results, infinite both, do not differ.
        gain = np.array([0.0 if a == b else a - b for a, b in pairs])
        p, exact = signed_rank(gain)
        better = gain < 0 if metric in LOWER_IS_BETTER else gain > 0
        interval = bootstrap(gain, seed=self.seed)
        wins = int(better.sum())
        return Paired(baseline, float(gain.mean()), interval, p, exact, wins, len(pairs))


def evaluate(
    methods: Mapping[str, Method],
    cases: Iterable[Case],
    protocol: Protocol,
    *,
    interpolations: Collection[str] = (),
    seed: int = 0,
    report: Callable[[Result], None] | None = None,
    keep: Callable[[Case, Volume, Volume, Mapping[str, Volume]], None] | None = None,
) -> Table:
    """Run every method on every case and measure the results.

    A case that cannot be read, and a method that refuses or fails, is named in the table with
    its reason; the others go on.

    Args:
        methods: By name, in the order of the table.
        cases: Loaded one after the other.
        protocol: How to measure.
        interpolations: Names of the methods that add nothing to the image: the best of them is
            what every other method is compared with.
        seed: Of the bootstrap; the same seed gives the same table.
        report: Called with each result as it comes.
        keep: Called with each case, its input, its truth and all predictions, for pictures.

    Raises:
        UsageError: No method or case, two cases of one name, or an unknown interpolation.
    """
    unknown = [name for name in interpolations if name not in methods]
    if not methods or unknown:
        raise UsageError(
            f"interpolations must be among the methods ({', '.join(methods) or 'none given'}), "
            f"got {', '.join(unknown) or 'none'}"
        )
    results: list[Result] = []
    names: list[str] = []
    for case in cases:
        if case.name in names:
            raise UsageError(f"cases need names of their own, got {case.name} twice")
        names.append(case.name)
        for result in _run_case(methods, case, protocol, keep):
            results.append(result)
            if report is not None:
                report(result)
    if not names:
        raise UsageError("an evaluation needs at least one case, got none")
    chosen = tuple(name for name in methods if name in interpolations)
    return Table(str(protocol), (*methods,), (*names,), (*results,), chosen, seed)


def _run_case(
    methods: Mapping[str, Method],
    case: Case,
    protocol: Protocol,
    keep: Callable[[Case, Volume, Volume, Mapping[str, Volume]], None] | None,
) -> Sequence[Result]:
    try:
        volume, truth = case.load()
    except Exception as error:
        return [Result(case.name, name, {}, _reason(error)) for name in methods]
    results, predictions = [], {}
    for name, method in methods.items():
        start = time.perf_counter()
        try:
            prediction = method(volume)
            seconds = time.perf_counter() - start
            record = _measure(protocol, prediction, truth)
        except Exception as error:
            results.append(Result(case.name, name, {}, _reason(error)))
            continue
        results.append(Result(case.name, name, record, seconds=seconds))
        if keep is not None:
            predictions[name] = prediction
    if keep is not None:
        keep(case, volume, truth, predictions)
    return results


def _measure(protocol: Protocol, prediction: Volume, truth: Volume) -> Record:
    if not np.isfinite(prediction.array).all():
        raise SafetyGate("the result must be finite, it holds NaN or infinite values")
    return protocol(prediction, truth)


def _reason(error: Exception) -> str:
    """Return our own reason, or only the kind of a foreign error: its text may name a patient."""
    return str(error) if isinstance(error, MedacuityError) else f"failed: {type(error).__name__}"
