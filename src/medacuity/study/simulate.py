"""Raters that do not exist: their truth is known, so an analysis or a plan can be tried on them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from medacuity.errors import UsageError
from medacuity.study.ratings import TIE, Check, Choice, Rating, Ratings, Scale

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Panel:
    """Who rates what: true qualities, and what stands between them and the scores.

    All spreads are standard deviations in units of the scale.

    Args:
        qualities: The true mean quality of each method, by name.
        cases: How many cases each method is shown on.
        raters: How many raters.
        case_spread: Some cases are easier for all methods.
        case_method_spread: Methods do some cases better than others.
        bias: Raters are more or less strict.
        taste: Raters like some methods more than others do.
        noise: What is left to chance in one answer.
        inattentive: How many of the raters (the last ones) answer at random.
        repeats: Share of the stimuli that every rater sees a second time.
        missing: Share of the answers that were never given.
        checks: How many attention checks there are.
    """

    qualities: dict[str, float] = field(default_factory=lambda: {"first": 3.5, "second": 3.0})
    cases: int = 20
    raters: int = 10
    case_spread: float = 0.4
    case_method_spread: float = 0.2
    bias: float = 0.4
    taste: float = 0.1
    noise: float = 0.6
    inattentive: int = 0
    repeats: float = 0.0
    missing: float = 0.0
    checks: int = 0


@dataclass(frozen=True)
class Simulated:
    """Ratings, and the truth that made them.

    Attributes:
        ratings: What the raters said.
        quality: True quality of each stimulus, by its name.
        bias: True bias of each rater, by name.
        inattentive: The raters that answered at random.
    """

    ratings: Ratings
    quality: dict[str, float]
    bias: dict[str, float]
    inattentive: tuple[str, ...]


def simulate(
    panel: Panel, rng: np.random.Generator, *, scale: Scale | None = None, reference: str = ""
) -> Simulated:
    """Return the ratings of a panel whose truth is known.

    A score is ``quality + case + case x method + bias + taste + noise``, rounded to the steps of
    the scale and kept on it; without rounding (``step=0``) it is exactly that model.

    Args:
        panel: Who rates what.
        rng: The source of all randomness: the same state gives the same ratings.
        scale: The scale; five grades by default.
        reference: The method that is the hidden reference.

    Raises:
        UsageError: There are no methods, cases or raters, or a share lies outside 0 to 1.

    Example:
        >>> found = simulate(Panel(), np.random.default_rng(0))
        >>> len(found.ratings.ratings), found.ratings.ratings[0].stimulus
        (400, 'case 01/first')
    """
    _check(panel)
    scale = Scale() if scale is None else scale
    methods, raters = list(panel.qualities), _names("rater", panel.raters)
    cases = _names("case", panel.cases)
    means = np.array(list(panel.qualities.values()))
    easy = rng.normal(0, panel.case_spread, (panel.cases, 1))
    quality = means + easy + rng.normal(0, panel.case_method_spread, (panel.cases, len(methods)))
    bias = rng.normal(0, panel.bias, panel.raters)
    taste = rng.normal(0, panel.taste, (panel.raters, len(methods)))
    asleep = tuple(raters[panel.raters - panel.inattentive :])
    seen = _rounds(panel, len(methods), rng)  # (2, raters, cases, methods)
    meant = quality + bias[:, None, None] + taste[:, None, :]
    scores = meant + rng.normal(0, panel.noise, seen.shape)
    chance = rng.uniform(scale.low, scale.high, seen.shape)
    scores[:, panel.raters - panel.inattentive :] = chance[:, panel.raters - panel.inattentive :]
    found = [
        Rating(
            raters[r], f"{cases[c]}/{methods[m]}", answer(scores[again, r, c, m], scale),
            methods[m], cases[c], repeat=int(again), seconds=round(float(rng.gamma(4, 1.5)), 1),
        )
        for again, r, c, m in np.argwhere(seen)
    ]  # fmt: skip
    checks = tuple(Check(name, scale.low, scale.low) for name in _names("check", panel.checks))
    found += _checked(checks, raters, asleep, scale=scale, rng=rng)
    return Simulated(
        Ratings(tuple(found), scale=scale, checks=checks, reference=reference, title="simulated"),
        {f"{cases[c]}/{methods[m]}": float(quality[c, m]) for c, m in np.ndindex(quality.shape)},
        dict(zip(raters, bias.tolist(), strict=True)), asleep,
    )  # fmt: skip


def simulate_choices(
    strengths: dict[str, float], rng: np.random.Generator, *, cases: int = 20, raters: int = 10,
    ties: float = 0.0,
) -> Ratings:  # fmt: skip
    """Return choices between all pairs of methods, by the law of Bradley and Terry.

    Args:
        strengths: The true strength of each method, by name.
        rng: The source of all randomness.
        cases: How many cases each pair is shown on.
        raters: How many raters.
        ties: Share of the answers that are ties.

    Example:
        >>> len(simulate_choices({"a": 1, "b": 0}, np.random.default_rng(0)).choices)
        200
    """
    methods = list(strengths)
    pairs = [(a, b) for i, a in enumerate(methods) for b in methods[i + 1 :]]

    def choices() -> Iterator[Choice]:
        """Yield what every rater says of every pair of every case, drawn at random."""
        for rater in _names("rater", raters):
            for case in _names("case", cases):
                for pair in pairs:
                    first, second = pair if rng.random() < 0.5 else pair[::-1]
                    won = rng.random() < 1 / (1 + np.exp(strengths[second] - strengths[first]))
                    chosen = TIE if rng.random() < ties else first if won else second
                    yield Choice(rater, case, "", first, second, chosen)

    return Ratings(choices=tuple(choices()), title="simulated")


def answer(meant: float, scale: Scale) -> float:
    """Return the answer on a scale that is nearest to what a rater means.

    Example:
        >>> answer(4.6, Scale()), answer(-3, Scale()), answer(62.13, Scale(0, 100, (), 0))
        (5.0, 1.0, 62.13)
    """
    if scale.step:
        meant = scale.low + scale.step * round((meant - scale.low) / scale.step)
    return float(min(max(meant, scale.low), scale.high))


def _rounds(panel: Panel, methods: int, rng: np.random.Generator) -> NDArray[np.bool_]:
    """Return who answers what, the first time and the second."""
    shape = (panel.raters, panel.cases, methods)
    first = rng.random(shape) >= panel.missing
    stimuli = panel.cases * methods
    twice = np.zeros(stimuli, dtype=np.bool_)
    twice[rng.choice(stimuli, round(panel.repeats * stimuli), replace=False)] = True
    return np.stack([first, first & twice.reshape(panel.cases, methods)])


def _checked(
    checks: Sequence[Check], raters: Sequence[str], asleep: Sequence[str], *, scale: Scale,
    rng: np.random.Generator,
) -> list[Rating]:  # fmt: skip
    return [
        Rating(
            rater, check.stimulus,
            answer(rng.uniform(scale.low, scale.high), scale) if rater in asleep else check.low,
        )
        for rater in raters
        for check in checks
    ]  # fmt: skip


def _names(what: str, count: int) -> list[str]:
    return [f"{what} {i:0{max(2, len(str(count)))}d}" for i in range(1, count + 1)]


def _check(panel: Panel) -> None:
    if not panel.qualities or min(panel.cases, panel.raters) < 1:
        raise UsageError(
            "a panel needs at least one method, case and rater, got "
            f"{len(panel.qualities)}, {panel.cases} and {panel.raters}"
        )
    if not (0 <= panel.repeats <= 1 and 0 <= panel.missing < 1):
        raise UsageError(
            f"shares lie between 0 and 1, got {panel.repeats:g} repeated, {panel.missing:g} missing"
        )
    if not 0 <= panel.inattentive <= panel.raters:
        raise UsageError(
            f"inattentive raters are 0 to all {panel.raters} of them, got {panel.inattentive}"
        )
