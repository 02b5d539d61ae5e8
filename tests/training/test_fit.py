"""The loop asks for the batch of a step, steps, reports; and stops a run that is broken."""

from typing import Any

import pytest

from medacuity.errors import SafetyGate
from medacuity.training.fit import PATIENCE, fit


class Counting:
    """A learner that remembers its batches and skips some of them."""

    def __init__(self, skipped: set[int] = frozenset()) -> None:
        self.skipped = skipped
        self.seen: list[int] = []

    def step(self, batch: int) -> dict[str, float]:
        self.seen.append(batch)
        return {"loss": 1.0, "skipped": float(batch in self.skipped)}

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


def run(learner: Counting, steps: int, start: int = 0) -> list[int]:
    """Fit, and return the steps that were reported."""
    reported: list[int] = []

    def report(step: int, logged: dict[str, float]) -> None:
        reported.append(step)
        assert 0 <= logged["loading"] <= 1
        assert logged["seconds"] > 0

    fit(learner, lambda step: step, steps=steps, start=start, report=report)
    return reported


def test_every_step_gets_its_batch_and_is_reported_once():
    learner = Counting()
    assert run(learner, 5) == [1, 2, 3, 4, 5]
    assert learner.seen == [0, 1, 2, 3, 4]


def test_it_goes_on_where_it_stopped():
    learner = Counting()
    assert run(learner, 6, start=4) == [5, 6]
    assert learner.seen == [4, 5]
    assert run(Counting(), 6, start=6) == []


def test_some_broken_steps_are_survived():
    assert len(run(Counting(set(range(3, 3 + PATIENCE))), 30)) == 30
    assert len(run(Counting(set(range(0, 60, 2))), 60)) == 60


def test_too_many_in_a_row_stop_the_run():
    learner = Counting(set(range(3, 100)))
    with pytest.raises(
        SafetyGate, match="11 steps in a row were not finite; stopped at step 14"
    ) as stop:
        run(learner, 100)
    assert stop.value.exit_code == 10
    assert len(learner.seen) == 3 + PATIENCE + 1
