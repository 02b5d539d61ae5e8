"""What a comparison says: scores of every arm, differences with their words, memorisation."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table as Grid
from rich.text import Text

from medacuity import __version__
from medacuity.atomic import atomic_write
from medacuity.utility.harness import BASELINE, PLAIN, Plan, Results
from medacuity.utility.task import Task
from medacuity.utility.verdict import POINTS, Difference, compare

COPIES = 0.05
"""Share of generated images nearer than all but 1 % of real ones, from which on it is said."""

NOTES = (
    "Intervals hold over seeds, which are other draws of training data and other starts; the "
    "test cases stay the same.",
    "Each interval stands for itself: of twenty comparisons of equals, one leaves zero out.",
)

HEAD = ("data", "learnt from", "mean", "sd", f"over {BASELINE}", f"over {PLAIN}")


@dataclass(frozen=True)
class Compared:
    """One arm against another, at one amount, in one metric."""

    amount: float
    metric: str
    arm: str
    against: str
    difference: Difference


def differences(results: Results, plan: Plan) -> list[Compared]:
    """Return what every arm gains over classical augmentation, and over real data alone."""
    names = [arm.name for arm in plan.arms]
    return [
        Compared(amount, metric, arm, against, _difference(results, plan, metric, amount, pair))
        for amount, metric in product(plan.amounts, results.metrics)
        for pair in product(names, (BASELINE, PLAIN))
        for arm, against in [pair]
        if against in names and arm != against
    ]


def _difference(
    results: Results, plan: Plan, metric: str, amount: float, pair: tuple[str, str]
) -> Difference:
    arm, other = pair
    both = [
        (
            *results.scores(amount, arm, metric, [seed]),
            *results.scores(amount, other, metric, [seed]),
        )
        for seed in range(plan.seeds)
    ]
    whole = [each for each in both if len(each) == 2]  # of a run that is not done, what is paired
    return compare([each[0] for each in whole], [each[1] for each in whole])


def as_dict(task: Task, results: Results, plan: Plan) -> dict[str, Any]:
    """Return everything: settings, scores by seed, differences, distances, how to read them."""
    return {
        "medacuity": __version__,
        "task": task.name,
        "settings": dict(task.settings),
        "amounts": {str(amount): task.described(amount) for amount in plan.amounts},
        "seeds": plan.seeds,
        "scores": [
            {"amount": amount, "arm": arm.name, "metric": metric,
             "scores": results.scores(amount, arm.name, metric, range(plan.seeds))}
            for amount, metric, arm in product(plan.amounts, task.metrics, plan.arms)
        ],
        "differences": [
            {**asdict(each), "word": each.difference.word, "sentence": each.difference.sentence}
            for each in differences(results, plan)
        ],
        "memory": [{name: float(v) for name, v in row.items()} for row in results.memory.rows],
        "notes": [*remembered(task, results, plan), *NOTES],
    }  # fmt: skip


def lines(task: Task, results: Results, plan: Plan, metric: str) -> list[tuple[str, ...]]:
    """Return the table of one metric as Markdown: a line for every amount and arm."""
    return [
        (plain(task.described(amount)), *line)
        for amount in plan.amounts
        for line in _lines(results, plan, metric, amount)
    ]


def _lines(results: Results, plan: Plan, metric: str, amount: float) -> list[tuple[str, ...]]:
    found = {(d.arm, d.against): d.difference for d in differences(results, plan)
             if (d.metric, d.amount) == (metric, amount)}  # fmt: skip
    rows = []
    for arm in plan.arms:
        scores = np.array(results.scores(amount, arm.name, metric, range(plan.seeds)))
        mean = f"{POINTS * scores.mean():.1f}" if scores.size else "-"
        sd = f"{POINTS * scores.std(ddof=1):.1f}" if scores.size > 1 else "-"
        others = (found.get((arm.name, name)) for name in (BASELINE, PLAIN))
        rows.append((arm.name, mean, sd, *(each.brief if each else "" for each in others)))
    return rows


def grids(task: Task, results: Results, plan: Plan) -> Iterator[Grid]:
    """Yield a table for every metric and amount, for a terminal."""
    for metric, amount in product(task.metrics, plan.amounts):
        title = Text(f"{metric}, {task.described(amount)}", style="table.title")
        shown = Grid(title=title, title_justify="left")
        for i, name in enumerate(HEAD[1:-1]):
            shown.add_column(name, justify="right" if i in (1, 2) else "left", no_wrap=i < 3)
        for row in _lines(results, plan, metric, amount):
            shown.add_row(*row[:-1])
        yield shown


def markdown(task: Task, results: Results, plan: Plan) -> str:
    """Return the tables of all metrics and how to read them, as Markdown."""
    blocks = []
    for metric in task.metrics:
        rule = ("---", "---", "---:", "---:", "---", "---")
        rows = (HEAD, rule, *lines(task, results, plan, metric))
        body = "\n".join(f"| {' | '.join(cells)} |" for cells in rows)
        blocks += [f"{plain(metric)}, points of 100:", body]
    notes = [plain(note) for note in (*remembered(task, results, plan), *NOTES)]
    return "\n\n".join([*blocks, *notes]) + "\n"


def plain(text: str) -> str:
    r"""Return Markdown that shows a text as it is, in a table too.

    Example:
        >>> plain("[b] | x_y")
        '\\[b\\] \\| x\\_y'
    """
    return re.sub(r"([\\`*_\[\]<>|$])", r"\\\1", text)


def remembered(task: Task, results: Results, plan: Plan) -> Iterator[str]:
    """Yield, for every amount, how near generated images lie to those learnt from."""
    for amount in plan.amounts:
        rows = [row for row in results.memory.rows if float(row["amount"]) == amount]
        if not rows:
            continue
        nearer, ratio = (_mean(row[name] for row in rows) for name in ("nearer", "ratio"))
        word = "which speaks of copies" if nearer > COPIES else "where 1 % is expected"
        yield (
            f"Memorised ({task.described(amount)}): generated images lie {ratio:.2f} times as far "
            f"from the nearest image learnt from as other real ones do; {100 * nearer:.1f} % lie "
            f"nearer than all but 1 % of real ones, {word}."
        )


def _mean(values: Iterator[str] | Sequence[str]) -> float:
    return float(np.mean([float(value) for value in values]))


def write_report(folder: Path, task: Task, results: Results, plan: Plan) -> dict[str, Any]:
    """Write ``report.json`` and ``report.md`` beside the journal; return the former."""
    record: dict[str, Any] = _known(as_dict(task, results, plan))
    text = json.dumps(record, indent=1, allow_nan=False)
    for name, content in (("report.json", text), ("report.md", markdown(task, results, plan))):
        with atomic_write(folder / name) as file:
            file.write(content.encode() + b"\n" * (not content.endswith("\n")))
    return record


def _known(value: Any) -> Any:
    """Return a record with null where a number is not one, as JSON has it."""
    if isinstance(value, dict):
        return {name: _known(each) for name, each in value.items()}
    if isinstance(value, list):
        return [_known(each) for each in value]
    return None if isinstance(value, float) and not np.isfinite(value) else value
