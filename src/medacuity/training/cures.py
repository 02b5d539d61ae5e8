"""What is done about a finding: back to health, slower; and the record of it, doctor.json.

The record is the only thing that is written when a run falls ill, in one atomic write. Going on
after it is going on after a power cut: checkpoints that are younger than the health it goes back
to are dropped, and the rates are lowered as the record says. Each checkpoint knows how many cures
lie behind it, so that a run that is killed in the middle of all this goes on to the bit.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from medacuity.atomic import atomic_write
from medacuity.errors import MalformedInput, SafetyGate
from medacuity.training.doctor import Finding
from medacuity.training.snapshots import drop_snapshots, healthy_steps

CURES = 3  # then the trouble is not the rate
SLOWER = 0.5  # what is left of the rates after a cure
RECORD = "doctor.json"


@dataclass(frozen=True)
class Cure:
    """A finding, and where the run went on; ``back_to`` is None where it was given up."""

    finding: Finding
    back_to: int | None
    slower: float = SLOWER

    def __str__(self) -> str:
        """Say it in a line."""
        found = f"step {self.finding.step}: {self.finding.sentence}"
        if self.back_to is None:
            return found
        slows = self.finding.slows
        rates = "the rates" if slows == "both" else f"the {slows}'s rate"
        return f"{found}; back to step {self.back_to} with {self.slower:g} of {rates}"


def read_cures(folder: Path) -> list[Cure]:
    """Return what was found and done in a run so far."""
    path = folder / RECORD
    if not path.exists():
        return []
    try:
        return [
            Cure(Finding(**each["finding"]), each["back_to"], float(each["slower"]))
            for each in json.loads(path.read_text())
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedInput(f"its {RECORD} is damaged", path=folder) from error


def prescribe(folder: Path, finding: Finding) -> Cure:
    """Write down a finding and what is to be done about it; going on does it.

    The run goes back to the newest checkpoint of when it was surely healthy; if that is where it
    went back to the last time, to the one before: it was not as healthy as it looked. Without
    any, to its beginning.

    Raises:
        SafetyGate: It was treated three times already.
    """
    cures = carried_out(read_cures(folder))
    steps = [0, *(n for n in healthy_steps(folder / "checkpoints") if n <= finding.since)]
    if cures and steps[-1] == cures[-1].back_to:
        steps = steps[:-1] or [0]
    given_up = len(cures) >= CURES
    cure = Cure(finding, None if given_up else steps[-1])
    _write(folder, [*cures, cure])
    if given_up:
        raise SafetyGate(
            f"{cure}; stopped, as {CURES} cures did not help: lower the rates, or look at the "
            f"data; {RECORD} has all that was found"
        )
    return cure


def settle(folder: Path) -> None:
    """Remove the checkpoints that are younger than the health a cure went back to."""
    for number, cure in enumerate(carried_out(read_cures(folder)), 1):
        drop_snapshots(folder / "checkpoints", after=cure.back_to or 0, cures=number)


def carried_out(cures: list[Cure]) -> list[Cure]:
    """Return those after which the run went on."""
    return [cure for cure in cures if cure.back_to is not None]


def on_card(cures: list[Cure]) -> list[dict[str, Any]]:
    """Return the cures of a run as a card shows them."""
    return [
        {"found": c.finding.kind, "at": c.finding.step, "seen": c.finding.sentence,
         "back_to": c.back_to, "slower": c.slower}
        for c in cures
    ]  # fmt: skip


def _write(folder: Path, cures: list[Cure]) -> None:
    with atomic_write(folder / RECORD) as file:
        file.write(json.dumps([asdict(cure) for cure in cures], indent=1).encode())
