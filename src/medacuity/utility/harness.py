"""Train the same model on real and generated data, many times, and write down what it scores.

For every amount of real data and every seed the same draw serves all arms, so that they are
compared in pairs. Each score is on disk before the next model is trained.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from torch import Tensor

from medacuity.errors import SafetyGate, UsageError
from medacuity.metrics.neighbours import memory
from medacuity.resize import linear, resize
from medacuity.utility.journal import Row, Table, settle
from medacuity.utility.task import Examples, Task, joined

Report = Callable[[str, int, int], None]
Show = Callable[[float, int, Examples, Examples], None]
"""Told amount and seed, the real examples drawn and those generated from them."""

WIDEST = 32  # voxels along an axis, at most, that distances between images are taken on


@dataclass(frozen=True)
class Arm:
    """What a model learns from."""

    name: str
    real: bool = True
    generated: bool = False
    classical: bool = False


PLAIN = "real"
BASELINE = "real + classical"
BOTH = "real + classical + generated"

ARMS = (
    Arm(PLAIN),
    Arm(BASELINE, classical=True),
    Arm("real + generated", generated=True),
    Arm(BOTH, classical=True, generated=True),
    Arm("generated only", real=False, generated=True),
)
"""Classical augmentation is the baseline to beat; `BOTH` is what a user would do."""


@dataclass(frozen=True)
class Plan:
    """What to measure.

    Args:
        amounts: Of real data, as the task understands them.
        seeds: How many times each is drawn; the first has number 0.
        arms: What models learn from.
    """

    amounts: tuple[float, ...]
    seeds: int = 5
    arms: tuple[Arm, ...] = ARMS

    def __post_init__(self) -> None:
        if not self.amounts or len(set(self.amounts)) != len(self.amounts):
            raise UsageError(f"amounts must be one or more, each once, got {self.amounts}")
        if self.seeds < 1:
            raise UsageError(f"seeds must be 1 or more, got {self.seeds}")


class Results:
    """The rows of a folder, by amount, seed and arm."""

    def __init__(self, folder: Path, task: Task) -> None:
        settle(folder, {"task": task.name, **task.settings})
        self.metrics = task.metrics
        scores = ("amount", "seed", "arm", *task.metrics, "seconds")
        self.journal = Table(folder / "journal.csv", scores)
        self.memory = Table(
            folder / "memory.csv", ("amount", "seed", "images", "nearer", "ratio", "seconds")
        )

    def done(self, amount: float, seed: int, arm: Arm) -> bool:
        """Return whether a model has been scored."""
        return self._row(amount, seed, arm.name) is not None

    def scores(self, amount: float, arm: str, metric: str, seeds: Sequence[int]) -> list[float]:
        """Return the scores of an arm by seed, those that are there."""
        rows = (self._row(amount, seed, arm) for seed in seeds)
        return [float(row[metric]) for row in rows if row is not None]

    def _row(self, amount: float, seed: int, arm: str) -> Row | None:
        wanted = (str(float(amount)), str(seed), arm)
        found = (r for r in self.journal.rows if (r["amount"], r["seed"], r["arm"]) == wanted)
        return next(found, None)


def run(
    task: Task, folder: Path, plan: Plan, *, report: Report = lambda what, done, of: None,
    show: Show = lambda amount, seed, real, made: None,
) -> Results:  # fmt: skip
    """Measure what is missing of a plan, and return all that the folder holds.

    Args:
        task: What is learnt and scored.
        folder: A new one, or one to go on with.
        plan: Amounts, seeds and arms.
        report: Told what is done, after each model.
        show: Told what was generated, before anything learns from it.

    Raises:
        StorageError: The folder is of a comparison with other settings.
        SafetyGate: A score is not finite.
    """
    results = Results(folder, task)
    of = len(plan.amounts) * plan.seeds * len(plan.arms)
    todo = list(_missing(results, plan))
    done = of - sum(len(arms) for _, _, arms in todo)
    for amount, seed, arms in todo:
        report(f"utility (amount {amount:g}, seed {seed})", done, of)
        drawn = _Draw(task, amount, seed)
        if any(arm.generated for arm in arms):
            _remember(results, drawn)
            show(amount, seed, drawn.real, drawn.made)
        for arm in arms:
            results.journal.add(_measured(task, drawn, arm))
            done += 1
            report(f"utility (amount {amount:g}, seed {seed}, {arm.name})", done, of)
    return results


def _missing(results: Results, plan: Plan) -> Iterator[tuple[float, int, list[Arm]]]:
    for seed in range(plan.seeds):  # an interrupted run then has some seeds of every amount
        for amount in plan.amounts:
            arms = [arm for arm in plan.arms if not results.done(amount, seed, arm)]
            if arms:
                yield amount, seed, arms


class _Draw:
    """The data of one amount and seed; generated only if an arm wants them, and once."""

    def __init__(self, task: Task, amount: float, seed: int) -> None:
        self.task, self.amount, self.seed = task, float(amount), seed
        self.real = task.draw(amount, seed)

    @cached_property
    def made(self) -> Examples:
        made = self.task.generate(self.real, self.seed)
        if not bool(made.generated.all()):
            raise UsageError("generated examples must be marked as such (made=True)")
        return made

    def of(self, arm: Arm) -> Examples:
        parts = [*([self.real] if arm.real else []), *([self.made] if arm.generated else [])]
        return joined(parts)


def _measured(task: Task, drawn: _Draw, arm: Arm) -> dict[str, object]:
    began = time.perf_counter()
    model = task.learn(drawn.of(arm), classical=arm.classical, seed=drawn.seed)
    scores = task.score(model)
    if not all(math.isfinite(scores[metric]) for metric in task.metrics):
        raise SafetyGate(f"a score of {arm.name} is not finite (seed {drawn.seed}): {scores}")
    seconds = round(time.perf_counter() - began, 1)
    return {"amount": drawn.amount, "seed": drawn.seed, "arm": arm.name, **scores,
            "seconds": seconds}  # fmt: skip


def _remember(results: Results, drawn: _Draw) -> None:
    """Compare how near generated and real images lie to those that were learnt from."""
    began = time.perf_counter()
    made = drawn.made
    seconds = round(time.perf_counter() - began, 1)
    if any(
        (row["amount"], row["seed"]) == (str(drawn.amount), str(drawn.seed))
        for row in results.memory.rows
    ):
        return
    sets = (made.images, drawn.real.images, drawn.task.held_out)
    if min(map(len, sets)) < 2:  # one image tells no distances
        return
    found = memory(*(flat(x) for x in sets[:2]), held_out=flat(sets[2]))
    results.memory.add(
        {"amount": drawn.amount, "seed": drawn.seed, "images": len(made), "nearer": found.nearer,
         "ratio": found.ratio, "seconds": seconds}
    )  # fmt: skip


def flat(images: Tensor) -> Tensor:
    """Return a row of numbers for each image, which distances are taken between.

    Shape:
        ``(N, 1, *S)`` -> ``(N, D)``.
    """
    size = [min(n, WIDEST) for n in images.shape[2:]]
    return resize(images.float(), size, linear).flatten(1)
