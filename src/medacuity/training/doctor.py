"""A doctor in the loop: says what is wrong with a run, in a sentence, so that it can be cured.

Limits are wide on purpose. A run that is merely bad is left alone; what is found has never been
seen to heal by itself. Everything is judged by what the run itself was like before, or by the
real images, as losses of different learners have no unit in common.
"""

from collections import Counter
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from math import isfinite, nan
from statistics import fmean
from typing import Any

import torch
from torch import Tensor

from medacuity.training.learners.descent import Sides
from medacuity.training.trend import WINDOW, Trend
from medacuity.training.vitals import distinct, ripple, spread

BROKEN_RUN = 8  # steps in a row that were not finite; the loop itself gives up after ten
BROKEN_SHARE = 0.5  # of the steps lately
LASTING = 50  # steps that a level must have been off: a spike, or a jump of the data, passes
RISE = 10.0  # robust standard deviations above the lowest level
FAR = 10.0  # times the first distance to a target: a critic makes it rise twofold
HUGE = 100.0  # losses of games are about 1 whatever they are made of
STEEP = 1000.0  # gradients jump tenfold in healthy games
CERTAIN = 0.99  # a critic's accuracy: right about all, but for a stray patch
FAINT = 1e-2  # of the usual gradient of the generator; one was at 0.05, and recovered
ALIKE = 0.25  # of what real images differ by; healthy runs stayed above 0.6, a collapse was at 0.16
CHECKERED = 0.05  # of the contrast of real images: where a grid begins to be seen
CHECKERED_TOO = 3.0  # times the grid that real images have themselves
WILD = 5.0  # times the contrast of real images
FIRST_STEPS = 1000  # before them images may be anything: early on all of them are alike for a while
FIRST_LOOKS = 4  # where it was never well, it is given up if no better than three looks before
SECOND_OPINION = 2  # looks in a row
WATCHED = ("loss", "distance", "critic_loss", "gradient", "critic_gradient")
STATE = ("broken", "surest", "past", "once_well", "seen")


@dataclass(frozen=True)
class Finding:
    """What the doctor saw: the number, its limit, and both in a sentence."""

    kind: str
    step: int
    since: int
    """Step up to which the run was surely well: a level looks back over many steps."""
    seen: float
    limit: float
    sentence: str
    slows: Sides = "both"
    """Whose rates should fall."""


class Doctor:
    """Watch a run by what its steps log and by the images it makes.

    Nothing here draws or touches anything of the run; the state is a few hundred numbers.

    Attributes:
        seen: What the last look measured: ``distinct`` and ``ripple``, beside real images.
        signs: Complaints that are not yet a finding, with how long they have lasted.
    """

    def __init__(self) -> None:
        self.trends = {name: Trend() for name in WATCHED}
        self.signs: Counter[str] = Counter()
        self.broken = 0.0  # share of the steps lately that were not finite
        self.surest: list[float] = []  # accuracies of the critic lately
        self.past: dict[str, list[float]] = {}  # what the last looks saw, by kind
        self.once_well: list[str] = []
        self.seen: dict[str, float] = {}

    @property
    def healthy(self) -> bool:
        """Tell whether there is no complaint at all now."""
        return not any(self.signs.values())

    def examine(self, step: int, logged: dict[str, float]) -> Finding | None:
        """Look at what a step logged; return what was found, if anything."""
        skipped = bool(logged.get("skipped"))
        self.broken += (skipped - self.broken) / 100
        runs = self._lasts("not finite", skipped)
        if runs >= BROKEN_RUN or (skipped and self.broken > BROKEN_SHARE):
            share = f"{runs} steps in a row" if runs >= BROKEN_RUN else f"{self.broken:.0%} of them"
            return Finding(
                "not finite", step, step - runs, runs, BROKEN_RUN, f"steps are not finite: {share}"
            )
        if skipped:
            return None
        game = "critic_loss" in logged
        if "adversarial" in logged:  # what is left of the loss: from the target, or there and back
            logged = logged | {"distance": logged["loss"] - logged["adversarial"]}
        for name, trend in self.trends.items():
            if name in logged:
                trend.add(abs(logged[name]) if game else logged[name])
        return self._exploding(step, game) or self._beaten(step, logged)

    def _exploding(self, step: int, game: bool) -> Finding | None:
        for name, trend in self.trends.items():
            if trend.level is None:
                continue
            limit = _highest(name, trend, game)
            if self._lasts(name, trend.level > limit) >= LASTING:
                what = name.replace("_", "'s ")
                return Finding(
                    "exploding", step, step - LASTING - WINDOW, trend.level, limit,
                    f"the {what} stays at {trend.level:.3g}, above {limit:.3g}",
                )  # fmt: skip
        return None

    def _beaten(self, step: int, logged: dict[str, float]) -> Finding | None:
        """Find a critic that is always right while the generator learns nothing from it."""
        gradient = self.trends["gradient"]
        if "accuracy" not in logged or gradient.level is None:
            return None
        self.surest = [*self.surest[-49:], logged["accuracy"]]
        limit = FAINT * gradient.typical
        sign = fmean(self.surest) >= CERTAIN and gradient.level < limit
        if self._lasts("beaten", sign) < LASTING:
            return None
        return Finding(
            "beaten", step, step - LASTING - WINDOW, gradient.level, limit,
            f"the critic is always right and the generator's gradient of {gradient.level:.3g} "
            f"is below {limit:.3g}: it learns nothing", slows="critic",
        )  # fmt: skip

    def look(
        self, step: int, samples: Tensor, real: Tensor, *, last: bool = False
    ) -> Finding | None:
        """Look at images the run makes, always of the same seed, beside as many real ones.

        Args:
            step: Steps taken.
            samples: ``(B, C, *S)``, unit range.
            real: Same shape.
            last: There will be no other look, so that a first sign counts.
        """
        if not bool(torch.isfinite(samples).all()):
            self.signs["samples"] += 1
            return Finding("not finite", step, step, 1, 0, "generated images are not finite")
        contrast = max(spread(real), 1e-6)
        self.seen = {
            "distinct": distinct(samples, real) if len(samples) > 1 else nan,
            "ripple": ripple(samples) / contrast,
            "real_ripple": ripple(real) / contrast,
            "contrast": spread(samples) / contrast,
        }
        findings = [one for one in _judged(self.seen, step) if self._stands(one, last)]
        return findings[0] if findings else None

    def _stands(self, judged: Finding, last: bool) -> bool:
        """Tell whether it is bad, again, and not merely how a generator begins."""
        kind = f"look: {judged.kind}"
        past = self.past[kind] = [*self.past.get(kind, [])[-3:], judged.seen]
        low = judged.kind == "collapse"
        bad = judged.seen < judged.limit if low else judged.seen > judged.limit
        again = self._lasts(kind, bad) >= (1 if last else SECOND_OPINION)
        if judged.step < FIRST_STEPS:
            return False
        if not bad and kind not in self.once_well and isfinite(judged.seen):
            self.once_well.append(kind)
        better = past[-1] > 1.1 * past[0] if low else past[-1] < 0.9 * past[0]
        stuck = len(past) >= FIRST_LOOKS and not better
        return bad and again and (stuck or kind in self.once_well)

    def _lasts(self, sign: str, bad: bool) -> int:
        """Count for how long, without a break, a sign has been seen."""
        self.signs[sign] = self.signs[sign] + 1 if bad else 0
        return self.signs[sign]

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next judgement depends on."""
        trends = {name: trend.state_dict() for name, trend in self.trends.items()}
        state = {name: vars(self)[name] for name in STATE}
        return deepcopy(state | {"trends": trends, "signs": dict(self.signs)})

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        state = deepcopy(state)
        for name in STATE:
            setattr(self, name, state[name])
        for name, trend in self.trends.items():
            trend.load_state_dict(state["trends"].get(name, {}))
        self.signs = Counter(state["signs"])


def _judged(seen: Mapping[str, float], step: int) -> list[Finding]:
    """Return what was seen of each kind, healthy or not."""
    grid = max(CHECKERED, CHECKERED_TOO * seen["real_ripple"])
    return [
        Finding(
            "collapse", step, step, seen["distinct"], ALIKE,
            f"samples are alike: they differ by {seen['distinct']:.2g} of what real images "
            f"do, and not by {ALIKE} at least", "generator",
        ),
        Finding(
            "checkerboard", step, step, seen["ripple"], grid,
            f"samples have a grid of {seen['ripple']:.2g} of the contrast, above {grid:.2g}",
        ),
        Finding(
            "exploding", step, step, seen["contrast"], WILD,
            f"samples have {seen['contrast']:.3g} times the contrast of real images, "
            f"above {WILD:g}",
        ),
    ]  # fmt: skip


def _highest(name: str, trend: Trend, game: bool) -> float:
    """Return the level above which a number has exploded."""
    start = trend.first or 0.0
    if "gradient" in name:
        return STEEP * trend.typical
    if name == "distance":
        return FAR * start
    if game:
        return HUGE * max(1.0, trend.lowest)
    return trend.lowest + max(RISE * trend.spread, (start - trend.lowest) / 2, 0.1 * abs(start))
