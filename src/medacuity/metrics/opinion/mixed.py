"""Means of methods for other raters and other cases: a mixed model with crossed random effects."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, sparse, stats
from scipy.optimize import minimize

from medacuity.errors import UsageError
from medacuity.metrics.opinion.estimate import Array, Estimate, by_t

Codes = NDArray[np.intp]
Function = Callable[[Array], Any]

TERMS = ("rater", "case", "rater x method", "case x method")
STEP = 1e-3
"""Relative step of the numerical derivatives by which degrees of freedom are found."""


@dataclass(frozen=True)
class Components:
    """Where the spread of scores comes from, as variances.

    Attributes:
        rater: Raters are more or less strict.
        case: Cases are easier or harder for all methods.
        rater_method: Raters like some methods more than others do.
        case_method: Methods do some cases better than others.
        residual: The rest: chance, mood, and what is particular to one answer.
    """

    rater: float = 0.0
    case: float = 0.0
    rater_method: float = 0.0
    case_method: float = 0.0
    residual: float = 0.0


@dataclass(frozen=True)
class Contrast:
    """A difference of two methods, first minus second.

    Attributes:
        difference: With its interval.
        degrees: Degrees of freedom, by Satterthwaite.
        p: Two-sided, of "no difference"; not corrected for the number of comparisons.
    """

    difference: Estimate
    degrees: float
    p: float


class Mixed:
    """A fitted model: ``score = method + rater + case + rater x method + case x method + rest``.

    All but the methods are random: raters and cases stand for others like them, and so the
    intervals speak of other raters and other cases.

    Attributes:
        means: The mean of each method.
        components: The variances.
    """

    def __init__(self, design: "_Design", variances: Array) -> None:
        self.means, self._covariance = design.effects(variances)
        self._slopes, self._spread = design.uncertainty(variances)
        found = dict(zip(design.terms, variances[:-1].tolist(), strict=True))
        rater, case, rater_method, case_method = (found.get(term, 0.0) for term in TERMS)
        rest = float(variances[-1])
        self.components = Components(rater, case, rater_method, case_method, rest)

    def mean(self, method: int, *, level: float = 0.95) -> Estimate:
        """Return the mean of a method, with an interval for other raters and cases."""
        way = np.eye(len(self.means))[method]
        return self._along(way, level)[0]

    def contrast(self, first: int, second: int, *, level: float = 0.95) -> Contrast:
        """Return how much better the first method is than the second."""
        way = np.eye(len(self.means))[first] - np.eye(len(self.means))[second]
        found, error, degrees = self._along(way, level)
        p = float(2 * stats.t.sf(abs(found.value) / error, degrees)) if error > 0 else math.nan
        return Contrast(found, degrees, p)

    def _along(self, way: Array, level: float) -> tuple[Estimate, float, float]:
        variance = max(float(way @ self._covariance @ way), 0.0)
        slope = self._slopes @ way @ way
        spread = float(slope @ self._spread @ slope)
        degrees = 2 * variance**2 / spread if spread > 0 else math.inf  # Satterthwaite
        error = math.sqrt(variance)
        return by_t(float(way @ self.means), error, degrees, level=level), error, degrees


def fit_mixed(score: Array, method: Codes, case: Codes, rater: Codes) -> Mixed:
    """Fit the mixed model of a rating study by restricted maximum likelihood.

    Solves Henderson's mixed-model equations, so that thousands of ratings take a second or two;
    degrees of freedom by Satterthwaite's method, as R's lmerTest has them. A random effect that
    cannot be told from another or from chance (one rating per stimulus and rater, one method) is
    left out. Gaps are allowed.

    Args:
        score: The scores; every other array says whose.
        method: 0, 1, ... for each method; all zero where there is one.
        case: 0, 1, ... for each case.
        rater: 0, 1, ... for each rater.

    Shape:
        ``(ratings,)`` each.

    Raises:
        UsageError: Fewer ratings than methods and two more, or a method without any.

    Example:
        >>> score = np.array([5.0, 4, 4, 3, 4, 4, 2, 3])
        >>> method = np.array([0, 0, 0, 0, 1, 1, 1, 1])
        >>> model = fit_mixed(score, method, np.tile([0, 1], 4), np.tile([0, 0, 1, 1], 2))
        >>> model.means.round(2).tolist()
        [4.0, 3.25]
    """
    score = np.asarray(score, float)
    known = np.isfinite(score)
    score = score[known]
    method, case, rater = (np.asarray(codes, np.intp)[known] for codes in (method, case, rater))
    if len(score) < int(method.max(initial=0)) + 3:
        raise UsageError(
            f"a mixed model needs more ratings than methods, got {len(score)}; collect more"
        )
    if not np.bincount(method).all():
        raise UsageError("methods are numbered 0, 1, ..., each with a rating; one has none")
    design = _Design(score, method, _groupings(method, case, rater))
    return Mixed(design, design.fitted())


def _groupings(method: Codes, case: Codes, rater: Codes) -> dict[str, Codes]:
    """Return the groups of each random effect that can be told from the others."""
    pair = {
        "rater": rater, "case": case,
        "rater x method": rater * (method.max() + 1) + method,
        "case x method": case * (method.max() + 1) + method,
    }  # fmt: skip
    kept: dict[str, Codes] = {}
    for name, groups in pair.items():
        _, codes = np.unique(groups, return_inverse=True)
        count = codes.max() + 1
        new = all(count != other.max() + 1 for other in kept.values())
        told = 1 < count < len(codes) and (new or name in ("rater", "case"))
        if told and count != method.max() + 1:
            kept[name] = codes
    return kept


class _Design:
    """The cross products of the model's columns: all that the likelihood needs of the data."""

    def __init__(self, score: Array, method: Codes, groupings: dict[str, Codes]) -> None:
        rows = np.arange(len(score))
        columns = [method, *groupings.values()]
        widths = [int(codes.max()) + 1 for codes in columns]
        indicator = sparse.hstack([
            sparse.csr_matrix((np.ones(len(rows)), (rows, codes)), shape=(len(rows), width))
            for codes, width in zip(columns, widths, strict=True)
        ]).tocsr()  # fmt: skip
        self.shift = float(score.mean())
        self.terms = tuple(groupings)
        self.products = np.asarray((indicator.T @ indicator).todense())
        self.totals = indicator.T @ (score - self.shift)
        self.square = float(((score - self.shift) ** 2).sum())
        self.term = np.repeat(np.arange(len(widths)) - 1, widths)  # -1 for methods
        self.methods, self.ratings = widths[0], len(score)

    def solve(self, ratios: Array) -> tuple[float, float, Array, Array]:
        """Return log determinant, residual square, solution and factor, for ratios to residual."""
        scale = np.concatenate([[1.0], np.sqrt(np.maximum(ratios, 0))])[self.term + 1]
        system = self.products * scale[:, None] * scale
        system[np.diag_indices_from(system)] += self.term >= 0
        factor = linalg.cho_factor(system, lower=True)
        solution = linalg.cho_solve(factor, self.totals * scale)
        logs = 2 * float(np.log(np.diag(factor[0])).sum())
        return logs, self.square - float(solution @ (self.totals * scale)), solution, factor[0]

    def profiled(self, roots: Array) -> float:
        """Return -2 log likelihood (restricted), the residual variance being the best one."""
        logs, rest, _, _ = self.solve(roots**2)
        degrees = self.ratings - self.methods
        return degrees * math.log(max(rest, 1e-12) / degrees) + logs

    def deviance(self, variances: Array) -> float:
        """Return -2 log likelihood (restricted) of these variances, the residual one last."""
        logs, rest, _, _ = self.solve(variances[:-1] / variances[-1])
        left = variances[-1]
        return float((self.ratings - self.methods) * math.log(left) + logs + rest / left)

    def fitted(self) -> Array:
        """Return the variances of the greatest restricted likelihood, the residual one last."""
        roots = np.zeros(len(self.terms))
        if len(roots):
            bounds = [(0.0, 1e3)] * len(roots)
            options = {"ftol": 1e-13, "gtol": 1e-8, "maxiter": 500}
            found = minimize(
                self.profiled, roots + 0.5, method="L-BFGS-B", bounds=bounds, options=options
            )
            roots = np.where(found.x < 1e-4, 0.0, found.x)
        _, rest, _, _ = self.solve(roots**2)
        left = max(rest, 1e-12) / (self.ratings - self.methods)
        return np.append(roots**2 * left, left)

    def effects(self, variances: Array) -> tuple[Array, Array]:
        """Return the methods' means and their covariance."""
        _, _, solution, factor = self.solve(variances[:-1] / variances[-1])
        unit = np.eye(len(self.totals), self.methods)
        inverse = linalg.cho_solve((factor, True), unit)[: self.methods]
        return solution[: self.methods] + self.shift, inverse * variances[-1]

    def uncertainty(self, variances: Array) -> tuple[Array, Array]:
        """Return how the means' covariance changes with each variance, and the variances' own.

        By finite differences, as lme4's users do it: the variances' covariance is twice the
        inverse of the deviance's second derivative. Variances at zero are left out.
        """
        steps = np.diag(STEP * variances)[np.flatnonzero(variances > 0)]

        def slopes(function: Function, at: Array) -> Array:
            """Return the derivatives by each variance, by central differences."""
            return np.array([
                (function(at + step) - function(at - step)) / (2 * step.sum()) for step in steps
            ])  # fmt: skip

        bend = slopes(lambda at: slopes(self.deviance, at), variances)
        covariance = slopes(lambda at: self.effects(at)[1], variances)
        return covariance, np.asarray(np.linalg.pinv(bend / 2))


def codes(names: Sequence[str]) -> tuple[Codes, tuple[str, ...]]:
    """Return 0, 1, ... for each name in the order of its first appearance, and the names.

    Example:
        >>> codes(["b", "a", "b"])[0].tolist()
        [0, 1, 0]
    """
    order = {name: i for i, name in enumerate(dict.fromkeys(names))}
    return np.array([order[name] for name in names], dtype=np.intp), tuple(order)
