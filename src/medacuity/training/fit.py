"""The loop: the only one."""

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol

from torch import nn

from medacuity.errors import SafetyGate
from medacuity.training.learners.descent import Sides

PATIENCE = 10  # non-finite steps in a row before a run is stopped


class Learner(Protocol):
    """Knows one batch; knows no epochs, files or logs."""

    @property
    def networks(self) -> Sequence[nn.Module]:
        """What a run ends with, the one that is looked at first."""

    def step(self, batch: Any) -> dict[str, float]:
        """Learn from one batch; return what to log."""

    def slow(self, by: float, *, sides: Sides) -> None:
        """Multiply the rates from here on."""

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next step depends on."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""


def fit(
    learner: Learner, batches: Callable[[int], Any], *, steps: int, start: int = 0,
    report: Callable[[int, dict[str, float]], None],
) -> None:  # fmt: skip
    """Take ``steps - start`` steps; ``report(step, logged)`` after each.

    Args:
        learner: What a batch does to the weights.
        batches: The batch of a step, by its number.
        steps: Number of the last step.
        start: Steps taken already.
        report: Told the number of steps taken and what the step logged, with the seconds it
            took and the share of them spent waiting for the batch.

    Raises:
        SafetyGate: More than ten steps in a row were not finite; the weights are those before.
    """
    broken = 0
    for step, batch, waited in _ahead(batches, range(start, steps)):
        began = time.perf_counter()
        logged = learner.step(batch)
        seconds = waited + time.perf_counter() - began
        logged |= {"seconds": seconds, "loading": waited / seconds}
        broken = broken + 1 if logged.get("skipped") else 0
        if broken > PATIENCE:
            raise SafetyGate(
                f"{broken} steps in a row were not finite; stopped at step {step + 1}, "
                "the last checkpoint is sound: lower the rate and resume"
            )
        report(step + 1, logged)


def _ahead(batches: Callable[[int], Any], steps: Sequence[int]) -> Iterator[tuple[int, Any, float]]:
    """Yield each step with its batch and the seconds waited for it; the next is drawn meanwhile.

    A batch depends on its number alone, so that drawing it early changes nothing.
    """
    with ThreadPoolExecutor(1) as loader:
        coming = loader.submit(batches, steps[0]) if steps else None
        for step in steps:
            began = time.perf_counter()
            batch = coming.result() if coming else None
            coming = loader.submit(batches, step + 1) if step + 1 in steps else None
            yield step, batch, time.perf_counter() - began
