"""What the commands say while they work: progress and talk to stderr, results to stdout."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from medacuity.errors import UsageError

MEMORY_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def say(line: str) -> None:
    """Tell the user something, on stderr."""
    print(line, file=sys.stderr)


def show_json(value: Any) -> None:
    """Print a result for programs, on stdout."""
    print(json.dumps(value, indent=2))


class Bars:
    """Progress bars, one per thing that is done; silent where stderr is no terminal.

    What stands in brackets may change from call to call: it is still the same thing.
    """

    def __init__(self, progress: Progress) -> None:
        self.progress = progress
        self.tasks: dict[str, Any] = {}

    def __call__(self, what: str, done: int, of: int) -> None:
        """Show how far a thing is."""
        key = what.split(" (")[0]
        if key not in self.tasks:
            self.tasks[key] = self.progress.add_task(what, total=of)
        self.progress.update(self.tasks[key], description=what, completed=done, total=of)


@contextmanager
def bars() -> Iterator[Bars]:
    """Show progress bars while the block runs."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"),
        TimeRemainingColumn(),
    )  # fmt: skip
    with _progress(*columns) as progress:
        yield Bars(progress)


@contextmanager
def steps_bar() -> Iterator[Bars]:
    """Show a bar that counts steps, with what was logged beside it."""
    columns = (
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
    )  # fmt: skip
    with _progress(*columns) as progress:
        yield Bars(progress)


def _progress(*columns: ProgressColumn) -> Progress:
    quiet = not sys.stderr.isatty()
    return Progress(*columns, console=Console(stderr=True), transient=True, disable=quiet)


def numbers(text: str | None, what: str) -> list[float] | None:
    """Read ``2`` or ``1x1x4``.

    Example:
        >>> numbers("1x1x4", "scale")
        [1.0, 1.0, 4.0]
    """
    if text is None:
        return None
    try:
        values = [float(part) for part in text.lower().replace(",", "x").split("x")]
    except ValueError:
        values = []
    if len(values) == 2:  # a picture
        values.append(1.0)
    if len(values) not in (1, 3):
        raise UsageError(f"{what} is one number, or one per axis such as 1x1x4; got {text!r}")
    return values


def bytes_of(text: str) -> float:
    """Read ``2G`` or ``500M``.

    Example:
        >>> bytes_of("2G") == 2 * 2**30
        True
    """
    number, unit = text.upper().removesuffix("B").removesuffix("I"), 1
    if number and number[-1] in MEMORY_UNITS:
        number, unit = number[:-1], MEMORY_UNITS[number[-1]]
    try:
        value = float(number) * unit
    except ValueError:
        value = 0.0
    if not 2**26 <= value < 2**50:
        raise UsageError(f"memory is a size of at least 64M, such as 2G; got {text!r}")
    return value
