"""What a run leaves behind while it goes on: numbers, pictures, checkpoints, findings."""

import csv
import io
from collections.abc import Callable
from math import isfinite
from pathlib import Path
from typing import Any

from medacuity.atomic import atomic_write
from medacuity.training import figures
from medacuity.training.board import Board
from medacuity.training.cures import carried_out, read_cures
from medacuity.training.doctor import Doctor, Finding
from medacuity.training.fit import Learner
from medacuity.training.snapshots import save_snapshot
from medacuity.training.watch import Look


class Journal:
    """Write down a run, step by step; say when it is ill.

    In the folder: ``metrics.csv``, ``validation.png``, ``losses.png``, ``critic.png``,
    ``samples.png`` with its strips in ``samples/``, ``tensorboard/`` and ``checkpoints/``; what
    a finding rests on is kept in ``findings/``, as the rest forgets the steps a run goes back.

    Args:
        folder: Of the run.
        learner: What is saved.
        look: Looks at the networks, after a number of steps.
        name: Of the recipe, for titles.
        steps: Number of the last step.
        every: Steps between two checkpoints, and between two lines of metrics.
        done: Steps taken already; whatever is there of later ones does not count any more.
    """

    def __init__(
        self, folder: Path, learner: Learner, look: Callable[[int], Look], *, name: str,
        steps: int, every: tuple[int, int], done: int,
    ) -> None:  # fmt: skip
        self.folder, self.learner, self.look = folder, learner, look
        self.name, self.steps, self.every = name, steps, every
        self.doctor = Doctor()
        self.cures = carried_out(read_cures(folder))
        self.rows = _rows_up_to(folder / "metrics.csv", done)
        self.film = figures.Film(folder, done=done)
        self.board = Board(folder / "tensorboard", done=done)

    def __call__(self, step: int, logged: dict[str, float]) -> Finding | None:
        """Write down a step, and look when it is time to; return what is wrong, if anything."""
        save_every, log_every = self.every
        due = step % save_every == 0 or step == self.steps
        finding, look = self.doctor.examine(step, logged), None
        if due and not finding:
            look = self.look(step)
            last = step == self.steps
            finding = self.doctor.look(step, look.samples, look.real, last=last)
            seen = {n: value for n, value in self.doctor.seen.items() if isfinite(value)}
            logged |= look.numbers | seen
        if due or finding or step % log_every == 0:
            self.rows.append({"step": step} | logged)
            _write_rows(self.folder / "metrics.csv", self.rows)
            self.board.scalars(step, logged)
        if look:
            self._show(step, look)
        if finding:
            self._keep(finding)
        elif due:
            save_snapshot(
                self.folder / "checkpoints", step, self.state_dict(),
                healthy=self.doctor.healthy, cures=len(self.cures),
            )  # fmt: skip
        return finding

    def _show(self, step: int, look: Look) -> None:
        self._write("validation.png", look.picture)
        self.board.picture(step, "samples", self.film.add(step, look.samples, look.real))
        self._write("losses.png", self._drawn(figures.losses))
        if "accuracy" in self.rows[-1]:
            self._write("critic.png", self._drawn(figures.critics))

    def _keep(self, finding: Finding) -> None:
        """Keep what a finding rests on."""
        (self.folder / "findings").mkdir(exist_ok=True)
        name = f"findings/step-{finding.step:08d}"
        self._write(f"{name}-losses.png", self._drawn(figures.losses))
        if self.film.last:
            self._write(f"{name}-samples.png", self.film.last)

    def _drawn(self, draw: Callable[..., bytes]) -> bytes:
        marks = {cure.finding.step: cure.finding.kind for cure in self.cures}
        return draw(self.rows, title=self.name, marks=marks)

    def _write(self, name: str, data: bytes) -> None:
        with atomic_write(self.folder / name) as file:
            file.write(data)

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next step depends on, the learner's and the doctor's."""
        doctor = self.doctor.state_dict() | {"cures": len(self.cures)}
        return self.learner.state_dict() | {"doctor": doctor}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state of the doctor; runs begun before there was one have none."""
        if "doctor" in state:
            self.doctor.load_state_dict(state["doctor"])

    def seconds(self) -> int:
        """Return how long all steps took, by those that were logged."""
        logged = [float(row["seconds"]) for row in self.rows]
        return round(sum(logged) / len(logged) * self.steps)

    def close(self) -> None:
        """Put everything on disk."""
        self.board.close()


def _rows_up_to(path: Path, step: int) -> list[dict[str, Any]]:
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [dict(row) for row in csv.DictReader(file) if int(row["step"]) <= step]


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    text = io.StringIO()
    columns = dict.fromkeys(name for row in rows for name in row)
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode())
