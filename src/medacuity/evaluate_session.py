"""One comparison from a folder of scans to tables and pictures."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from medacuity.atomic import atomic_folder
from medacuity.degrade import Acquisition
from medacuity.enhance import Settings
from medacuity.errors import PartialFailure
from medacuity.evaluate import Case, Table, evaluate
from medacuity.evaluate_cases import AUTOMATIC, cases_in, interpolations, method_named
from medacuity.evaluate_pictures import panel, write_picture
from medacuity.evaluate_report import METRICS, as_json, grid, notes, write_reports
from medacuity.metrics.protocols import protocol
from medacuity.volume import Volume

Report = Callable[[str, int, int], None]
USUAL = ("linear", "cubic", "spline", "lanczos", "sinc", AUTOMATIC)


@dataclass(frozen=True)
class Comparison:
    """What to compare, on what, and how to measure."""

    truth: Path
    methods: tuple[str, ...]
    protocol: str
    made: Acquisition
    inputs: Path | None
    scale: tuple[float, ...]
    settings: Settings
    output: Path | None = None


@dataclass(frozen=True)
class Found:
    """A table, for a person or for a program."""

    table: Table

    def print(self) -> None:
        """Print the tables and what a reader must know."""
        console = Console(width=max(110, Console().width))
        for metric in METRICS:
            console.print(grid(self.table, metric))
        for note in notes(self.table):
            console.print(note, style="dim")

    def check_complete(self) -> None:
        """Raise `PartialFailure` if a case or a method was refused."""
        refused = self.table.refusals
        if refused:
            raise PartialFailure(
                f"{len(refused)} of {len(self.table.results)} results were refused, the first "
                f"for {refused[0].case}: {refused[0].refusal}"
            )

    def as_json(self) -> Any:
        """Return the table as plain values."""
        return json.loads(as_json(self.table))


def compare(wanted: Comparison, *, report: Report = lambda what, done, of: None) -> Found:
    """Run all methods on all cases; write tables and pictures if an output is wanted."""
    names = wanted.methods or USUAL
    cases = cases_in(wanted.truth, wanted.made, wanted.inputs)
    methods = {name: method_named(name, wanted.settings, wanted.scale) for name in names}
    # The border that the papers crop is that of a slice, the first two axes of the three.
    border = [int(s) for s in (wanted.scale * 2)[:2]]
    measure = protocol(wanted.protocol, scale=border)
    count = [0]

    def tell(_: object) -> None:
        """Report that one more method has been measured on one more case."""
        count[0] += 1
        report("measuring", count[0], len(cases) * len(methods))

    if wanted.output is None:
        return Found(evaluate(methods, cases, measure, interpolations=interpolations(names),
                              report=tell))  # fmt: skip
    with atomic_folder(wanted.output) as folder:
        draw = _Pictures(folder, interpolations(names))
        table = evaluate(methods, cases, measure, interpolations=interpolations(names),
                         report=tell, keep=draw)  # fmt: skip
        write_reports(folder, table)
    return Found(table)


class _Pictures:
    """Draws each case: input, an interpolation, the last method, truth, and their errors."""

    def __init__(self, folder: Path, plain: list[str]) -> None:
        self.folder, self.plain = folder, plain

    def __call__(
        self, case: Case, volume: Volume, truth: Volume, predictions: Mapping[str, Volume]
    ) -> None:
        plain = [name for name in predictions if name in self.plain]
        ours = [name for name in predictions if name not in self.plain]
        shown = [*plain[-1:], *ours[-2:]] or list(predictions)[-1:]
        if shown:
            figure = panel(volume, {n: predictions[n] for n in shown}, truth, title=case.name)
            write_picture(self.folder / f"{case.name}.png", figure)
