"""An evaluation compares methods case by case, and says how sure it is.

- Means, spread and intervals are over cases; gains are over the best interpolation, in pairs.
- The paired test is Wilcoxon's, exact for few cases: all ways of the signs, counted here.
- A case or method that fails is named with its reason and does not stop the others; what a
  foreign error says is not repeated, as it may name a patient.
- One case is in memory at a time. The same seed gives the same table.
"""

import itertools
import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from medacuity.errors import MalformedInput, UsageError
from medacuity.evaluate import Case, Result, Table, evaluate
from medacuity.evaluate_statistics import bootstrap, signed_rank, spread
from medacuity.metrics.protocols import Protocol, protocol
from medacuity.volume import Volume


def volume(value: float = 1.0, size: int = 12) -> Volume:
    """A ramp: what the cases here are made of."""
    ramp = np.linspace(0, 1, size**3).reshape(size, size, size) * value
    return Volume(ramp, np.eye(4))


def adding(error: float) -> Callable[[Volume], Volume]:
    return lambda v: Volume(v.array + error, v.affine)


def cases(n: int = 4) -> list[Case]:
    return [Case(f"case-{i}", lambda i=i: (volume(1 + i), volume(1 + i))) for i in range(n)]


MAE = Protocol("mae", "mean absolute error; range 1", lambda x, y: {
    "mae": float(np.abs(x - y).mean()), "data_range": 1.0})  # fmt: skip


def table_of(**methods: list[float]) -> Table:
    """A table of PSNRs, by method and case; methods whose name starts with i interpolate."""
    n = len(next(iter(methods.values())))
    names = tuple(f"c{i}" for i in range(n))
    results = tuple(
        Result(names[i], method, {"psnr": values[i], "mae": -values[i]})
        for i in range(n) for method, values in methods.items()
    )  # fmt: skip
    inter = tuple(m for m in methods if m.startswith("i"))
    return Table("test", tuple(methods), names, results, inter)


def test_every_method_meets_every_case() -> None:
    methods = {"near": adding(0.1), "far": adding(-0.4)}
    seen: list[Result] = []
    table = evaluate(methods, cases(3), MAE, report=seen.append)
    assert [(r.case, r.method) for r in table.results] == [
        *itertools.product(["case-0", "case-1", "case-2"], ["near", "far"])
    ]
    assert list(table.values("near", "mae").values()) == pytest.approx([0.1] * 3)
    assert list(table.values("far", "mae").values()) == pytest.approx([0.4] * 3)
    assert tuple(seen) == table.results
    assert table.protocol == str(MAE)


def test_means_spread_and_gain_are_over_cases() -> None:
    table = table_of(icubic=[30.0, 31, 35], ilinear=[29.0, 29, 29], ours=[31.0, 33, 38])
    icubic, ilinear, ours = table.rows("psnr")
    assert table.baseline("psnr") == "icubic"
    assert icubic.paired is None
    assert (ours.mean, ours.cases) == (34.0, 3)
    assert ours.spread == pytest.approx(np.std([31, 33, 38], ddof=1))
    assert ours.paired is not None
    assert ours.paired.difference == 2.0
    assert ours.paired.wins == ours.paired.cases == 3
    assert 1 <= ours.paired.interval[0] <= 2 <= ours.paired.interval[1] <= 3
    assert ilinear.paired is not None
    assert ilinear.paired.wins == 0


def test_for_errors_less_is_better() -> None:
    table = table_of(icubic=[30.0, 31, 35], ilinear=[29.0, 29, 29], ours=[31.0, 33, 34])
    assert table.baseline("mae") == "icubic"
    ours = table.rows("mae")[2].paired
    assert ours is not None
    assert ours.wins == 2
    assert ours.difference < 0


def test_the_best_interpolation_is_found_for_each_figure() -> None:
    results = [
        Result("a", "i1", {"psnr": 30.0, "ssim": 0.8}),
        Result("a", "i2", {"psnr": 29.0, "ssim": 0.9}),
        Result("a", "ours", {"psnr": 99.0, "ssim": 0.99}),
    ]
    table = Table("test", ("i1", "i2", "ours"), ("a",), tuple(results), ("i1", "i2"))
    assert (table.baseline("psnr"), table.baseline("ssim")) == ("i1", "i2")
    assert table.baseline("unknown") is None


def test_without_interpolations_there_is_nothing_to_gain() -> None:
    assert all(row.paired is None for row in table_of(a=[1.0, 2], b=[2.0, 3]).rows("psnr"))


def test_perfect_results_are_counted_without_nonsense() -> None:
    inf = math.inf
    row = table_of(icubic=[inf, 30.0, 31], ours=[inf, inf, 32]).rows("psnr")[1]
    assert row.mean == inf
    assert math.isnan(row.spread)
    assert row.paired is not None
    assert (row.paired.wins, row.paired.cases) == (2, 3)
    assert row.paired.p == 0.5


def test_a_refused_case_is_named_and_the_others_go_on() -> None:
    def broken() -> Any:
        raise MalformedInput("the file ends too early; copy it again", path="scan.nii.gz")

    def picky(v: Volume) -> Volume:
        if v.array.max() > 2.5:
            raise UsageError("too bright")
        return v

    every = [*cases(2), Case("broken", broken), *[Case("last", lambda: (volume(3), volume(3)))]]
    table = evaluate({"near": adding(0.1), "picky": picky}, every, MAE)
    assert [(r.case, r.method, r.refusal) for r in table.refusals] == [
        ("broken", "near", "scan.nii.gz: the file ends too early; copy it again"),
        ("broken", "picky", "scan.nii.gz: the file ends too early; copy it again"),
        ("last", "picky", "too bright"),
    ]
    assert [row.cases for row in table.rows("mae")] == [3, 2]


def test_pairs_are_the_cases_that_both_did() -> None:
    def picky(v: Volume) -> Volume:
        if v.array.max() > 2.5:
            raise UsageError("too bright")
        return adding(0.1)(v)

    table = evaluate({"i": adding(0.2), "ours": picky}, cases(4), MAE, interpolations=["i"])
    paired = table.rows("mae")[1].paired
    assert paired is not None
    assert (paired.cases, paired.wins) == (2, 2)
    assert paired.difference == pytest.approx(-0.1)


def test_a_foreign_error_is_named_by_its_kind_only() -> None:
    def foreign(v: Volume) -> Volume:
        raise RuntimeError("patient DOE^JOHN")

    (result,) = evaluate({"theirs": foreign}, cases(1), MAE).results
    assert result.refusal == "failed: RuntimeError"


def test_a_result_that_is_not_finite_or_elsewhere_is_refused() -> None:
    def moved(v: Volume) -> Volume:
        affine = v.affine.copy()
        affine[0, 3] += 1
        return Volume(v.array, affine)

    methods = {"nan": adding(math.nan), "moved": moved}
    nan, elsewhere = evaluate(methods, cases(1), protocol("volume")).results
    assert "must be finite" in nan.refusal
    assert "1 mm apart" in elsewhere.refusal


def test_an_interrupt_is_not_a_refusal() -> None:
    def interrupted(v: Volume) -> Volume:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        evaluate({"slow": interrupted}, cases(1), MAE)


def test_one_case_is_in_memory_at_a_time() -> None:
    alive: list[weakref.ref[Any]] = []

    def load() -> tuple[Volume, Volume]:
        assert all(reference() is None for reference in alive)
        truth = volume()
        alive.append(weakref.ref(truth.array))
        return truth, truth

    table = evaluate({"same": lambda v: v}, (Case(str(i), load) for i in range(3)), MAE)
    assert not table.refusals
    assert len(alive) == 3


def test_predictions_can_be_kept_for_pictures() -> None:
    kept: list[tuple[str, list[str]]] = []
    evaluate(
        {"near": adding(0.1), "nan": adding(math.nan)}, cases(2), MAE,
        keep=lambda case, _input, _truth, predictions: kept.append((case.name, [*predictions])),
    )  # fmt: skip
    assert kept == [("case-0", ["near"]), ("case-1", ["near"])]


def test_the_same_seed_gives_the_same_table() -> None:
    one, two = (table_of(icubic=[30.0, 31, 35], ours=[31.0, 33, 38]).rows("psnr") for _ in range(2))
    assert one == two


@pytest.mark.parametrize(
    ("methods", "every", "inter", "said"),
    [
        ({}, cases(1), [], "none given"),
        ({"a": adding(0)}, cases(1), ["b"], r"among the methods \(a\), got b"),
        ({"a": adding(0)}, [], [], "at least one case"),
        ({"a": adding(0)}, cases(1) * 2, [], "case-0 twice"),
    ],
)
def test_what_cannot_be_evaluated_is_refused(
    methods: Any, every: Any, inter: Any, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        evaluate(methods, every, MAE, interpolations=inter)


def by_counting(gain: np.ndarray) -> float:
    """The exact test: of all ways to give signs to the ranks, how many are as extreme?"""
    ranks = np.argsort(np.argsort(np.abs(gain))) + 1
    signs = np.array([*itertools.product([0, 1], repeat=gain.size)])
    sums = signs @ ranks
    middle = ranks.sum() / 2
    observed = abs(ranks[gain > 0].sum() - middle)
    return float((np.abs(sums - middle) >= observed - 1e-9).mean())


@given(st.lists(st.integers(-99, 99), min_size=1, max_size=9, unique_by=abs))
@settings(max_examples=40, deadline=None)
def test_few_cases_are_tested_exactly(gains: list[int]) -> None:
    gain = np.array(gains, dtype=float)
    p, exact = signed_rank(gain)
    kept = gain[gain != 0]
    assert exact
    assert math.isnan(p) if not kept.size else p == pytest.approx(by_counting(kept))


def test_ties_are_approximated_and_said_to_be() -> None:
    p, exact = signed_rank(np.array([0.1, 0.1, 0.1, -0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert not exact
    assert 0.001 < p < 0.05


@pytest.mark.parametrize("n", [2, 30])
def test_the_interval_holds_the_mean_and_narrows_with_cases(n: int) -> None:
    values = np.random.default_rng(3).normal(30, 2, n)
    low, high = bootstrap(values, seed=0)
    assert low < values.mean() < high
    if n == 30:
        half = 1.96 * values.std() / math.sqrt(n)
        assert (high - low) / 2 == pytest.approx(half, rel=0.05)


def test_one_case_or_infinite_values_have_no_interval() -> None:
    for values in ([1.0], [1.0, math.inf], []):
        assert all(math.isnan(end) for end in bootstrap(np.array(values), seed=0))
        assert math.isnan(spread(np.array(values)))
