"""A comparison from beginning to end: measured, told, drawn, written to its folder."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from medacuity.utility.classify import Classification, Settings, check_amounts
from medacuity.utility.harness import Plan, Report, Results, run
from medacuity.utility.labelled import read_labelled
from medacuity.utility.pictures import gains, sheet, write_picture
from medacuity.utility.report import grids, write_report
from medacuity.utility.task import Examples, Task


@dataclass(frozen=True)
class Found:
    """A comparison that is done."""

    task: Task
    results: Results
    plan: Plan
    record: dict[str, Any]

    def print(self) -> None:
        """Print the tables and how to read them, on stdout."""
        console = Console()
        for table in grids(self.task, self.results, self.plan):
            console.print(table)
        for note in self.record["notes"]:
            console.print(Text(note))


def compared(
    task: Task, folder: Path, plan: Plan, *, report: Report, names: Sequence[str] = ()
) -> Found:
    """Measure what is missing of a plan; write report and pictures beside the journal.

    The folder then holds ``journal.csv``, ``memory.csv``, ``report.json``, ``report.md``,
    ``gains.png`` and, for every amount, a sheet of what was generated with the first seed.

    Args:
        task: What is learnt and scored.
        folder: A new one, or one to go on with.
        plan: Amounts, seeds and arms.
        report: Told how far it is.
        names: Of the classes, if answers are classes.
    """

    def show(amount: float, seed: int, real: Examples, made: Examples) -> None:
        """Write a sheet of what was generated, for the first seed."""
        if seed == 0:
            title = f"SYNTHETIC, made from {task.described(amount)}"
            figure = sheet(real, made, title=title, names=names)
            write_picture(folder / f"generated-{amount:g}.png", figure)

    results = run(task, folder, plan, report=report, show=show)
    record = write_report(folder, task, results, plan)
    write_picture(folder / "gains.png", gains(task, results, plan))
    return Found(task, results, plan, record)


def classified(
    data: Path, folder: Path, settings: Settings, *, amounts: Sequence[float] | None = None,
    seeds: int = 5, report: Report = lambda what, done, of: None,
) -> Found:  # fmt: skip
    """Compare classifiers of pictures; see `medacuity.utility.labelled` for what data may be.

    Args:
        data: Labelled pictures.
        folder: A new one, or one to go on with.
        settings: Generator and classifier.
        amounts: Shares of the pictures; None: two scarce ones and all.
        seeds: Draws of each.
        report: Told how far it is.
    """
    plan = Plan(tuple(amounts or Classification.amounts), seeds)
    check_amounts(settings, plan.amounts)
    task = Classification(read_labelled(data, settings.size), settings)
    return compared(task, folder, plan, report=report, names=task.data.classes)
