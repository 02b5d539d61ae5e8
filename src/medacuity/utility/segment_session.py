"""From a table of scans and labels to a comparison: what generated images are worth there."""

from collections.abc import Callable, Sequence
from pathlib import Path

from medacuity.errors import UsageError
from medacuity.utility.harness import Plan, Report
from medacuity.utility.segment import Segmentation, Segmenting
from medacuity.utility.session import Found, compared
from medacuity.utility.subjects import read_subjects, read_table

SPACING = 1.5
"""mm at which slices are learnt: a model then takes half a minute on one core."""


def compare_segmentation(
    table: Path, folder: Path, plan: Segmenting, *, spacing: float = SPACING,
    amounts: Sequence[int] = (), seeds: int = 5, report: Report = lambda what, done, of: None,
    say: Callable[[str], None] = lambda line: None,
) -> Found:  # fmt: skip
    """Compare models that segment, with and without generated images.

    Args:
        table: Lists scans: path, labels, patient and split (train, test).
        folder: A new one, or one to go on with.
        plan: How much is learnt, and from what.
        spacing: mm of the grid that everything is brought to.
        amounts: Numbers of subjects; none: 1, 2, 4 and 8, as far as there are as many.
        seeds: Draws of each.
        report: Told how far it is.
        say: Told what is done to the scans.

    Raises:
        UsageError: The table or the spacing is wrong, or there are too few subjects.
    """
    if not 0.1 <= spacing <= 20:
        raise UsageError(f"the spacing must be from 0.1 to 20 mm, got {spacing:g}")
    rows = read_table(table)
    task = Segmentation(read_subjects(rows, spacing=spacing, report=report), plan)
    say(
        f"scans and labels were resampled once, linearly, onto slices of {spacing:g} mm with axes "
        "right, front, head; of slices within 3 mm (to test: 6 mm) one was taken"
    )
    wanted = tuple(map(float, amounts)) or task.amounts
    for amount in wanted:
        task.check(amount)
    return compared(task, folder, Plan(wanted, seeds), report=report)
