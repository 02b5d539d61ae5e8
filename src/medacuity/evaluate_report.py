"""How a table of results looks: on the screen, in Markdown, as JSON, as one line per case."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table as Grid

from medacuity.atomic import atomic_write
from medacuity.evaluate import Paired, Row, Table
from medacuity.evaluate_statistics import Interval

METRICS = ("psnr", "ssim")

DIGITS = {"psnr": 2, "ssim": 4, "nrmse": 4, "mae": 3}
NAMES = {"psnr": "PSNR (dB)", "ssim": "SSIM", "nrmse": "NRMSE", "mae": "MAE"}

HEAD = ("method", "cases", "mean", "sd", "95 % interval", "gain", "95 % interval", "better in", "p")


def lines(table: Table, metric: str) -> list[tuple[str, ...]]:
    """Return the table of one figure as text: ``HEAD``, then a line per method."""
    return [HEAD, *(_line(row, metric) for row in table.rows(metric))]


def markdown(table: Table, metrics: Sequence[str] = METRICS) -> str:
    """Return the tables of some figures, what was refused and how to read them, as Markdown."""
    blocks = [f"Protocol {table.protocol}.", f"Data range: {ranges(table)}."]
    for metric in metrics:
        head, *rows = lines(table, metric)
        rule = ["---", *["---:"] * (len(head) - 1)]
        body = "\n".join(f"| {' | '.join(map(_cell, cells))} |" for cells in (head, rule, *rows))
        blocks += [f"### {NAMES.get(metric, metric)}", body]
    return "\n\n".join([*blocks, *notes(table, metrics)]) + "\n"


def grid(table: Table, metric: str) -> Grid:
    """Return the table of one figure for a terminal."""
    head, *rows = lines(table, metric)
    shown = Grid(title=NAMES.get(metric, metric), title_justify="left", caption_justify="left")
    for i, name in enumerate(head):
        shown.add_column(name, justify="right" if i else "left", no_wrap=i in (1, 2, 3))
    for method, row in zip(table.methods, rows, strict=True):
        shown.add_row(*row, style="dim" if method in table.interpolations else None)
    return shown


def notes(table: Table, metrics: Sequence[str] = METRICS) -> list[str]:
    """Return what a reader must know: the baseline, the test, and what was refused."""
    said = []
    for metric in metrics:
        baseline = table.baseline(metric)
        if baseline is not None:
            said.append(
                f"{NAMES.get(metric, metric)}: gain over {baseline}, the best interpolation."
            )
    pairs = [row.paired for metric in metrics for row in table.rows(metric) if row.paired]
    if pairs:
        said.append(_test_note(pairs))
    return [*said, *_refusals(table)]


def _refusals(table: Table) -> list[str]:
    """Return one line per refusal, and one per case that no method could do for one reason."""
    found = []
    for case in table.cases:
        mine = [r for r in table.refusals if r.case == case]
        if len(mine) == len(table.methods) and len({r.refusal for r in mine}) == 1:
            found.append(f"Refused: {case}: {mine[0].refusal}")
        else:
            found += [f"Refused: {case}, {r.method}: {r.refusal}" for r in mine]
    return found


def ranges(table: Table) -> str:
    """Return the data ranges that were used, from the smallest to the largest case."""
    used = [r.record["data_range"] for r in table.results if "data_range" in r.record]
    if not used:
        return "none, as no case was measured"
    low, high = f"{min(used):.6g}", f"{max(used):.6g}"
    return low if low == high else f"{low} to {high}, by case"


def as_json(table: Table, metrics: Sequence[str] = METRICS) -> str:
    """Return everything as JSON; what has no value (an interval of one case) is null."""
    return json.dumps(
        {
            "protocol": table.protocol,
            "seed": table.seed,
            "interpolations": list(table.interpolations),
            "metrics": {metric: [_fields(row) for row in table.rows(metric)] for metric in metrics},
            "cases": [
                {"case": r.case, "method": r.method, **_known(r.record), "refusal": r.refusal}
                for r in table.results
            ],
        },
        indent=1,
        allow_nan=False,
    )


def as_csv(table: Table) -> str:
    """Return one line per case and method, in full precision."""
    columns = sorted({name for result in table.results for name in result.record})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["case", "method", *columns, "refusal"])
    for r in table.results:
        figures = [repr(r.record[name]) if name in r.record else "" for name in columns]
        writer.writerow([_plain(r.case), _plain(r.method), *figures, _plain(r.refusal)])
    return text.getvalue()


def write_reports(folder: Path, table: Table, metrics: Sequence[str] = METRICS) -> list[Path]:
    """Write ``table.md``, ``table.json`` and ``cases.csv`` into a folder that exists."""
    texts = {
        "table.md": markdown(table, metrics),
        "table.json": as_json(table, metrics),
        "cases.csv": as_csv(table),
    }
    for name, text in texts.items():
        with atomic_write(folder / name) as file:
            file.write(text.encode())
    return [folder / name for name in texts]


def _line(row: Row, metric: str) -> tuple[str, ...]:
    digits = DIGITS.get(metric, 4)
    found = (
        row.method,
        str(row.cases),
        _number(row.mean, digits),
        _number(row.spread, digits),
        _interval(row.interval, digits),
    )
    if row.paired is None:
        return (*found, "", "", "", "")
    pair = row.paired
    return (
        *found,
        _signed(pair.difference, digits),
        _interval(pair.interval, digits, signed=True),
        f"{pair.wins} of {pair.cases}",
        _p(pair.p),
    )


def _test_note(pairs: Sequence[Paired]) -> str:
    fewest = min(pair.cases for pair in pairs)
    kind = "exact" if all(pair.exact for pair in pairs) else "by normal approximation where tied"
    note = (
        "Intervals: bootstrap over cases. p: Wilcoxon's signed-rank test over pairs, two-sided, "
        f"{kind}, not corrected for the number of methods."
    )
    if fewest < 10:
        note += (
            f" With {fewest} cases no p below {2.0 ** (1 - fewest):.2g} is possible, and the "
            "intervals are narrower than they should be."
        )
    return note


def _number(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:.{digits}f}"


def _signed(value: float, digits: int) -> str:
    return "-" if math.isnan(value) else f"{value:+.{digits}f}"


def _interval(interval: Interval, digits: int, *, signed: bool = False) -> str:
    if math.isnan(interval[0]):
        return "-"
    shown = _signed if signed else _number
    return f"{shown(interval[0], digits)} to {shown(interval[1], digits)}"


def _p(p: float) -> str:
    if math.isnan(p):
        return "-"
    return "< 0.0001" if p < 1e-4 else f"{p:.2g}"


def _fields(row: Row) -> dict[str, Any]:
    fields = _known({k: v for k, v in vars(row).items() if k not in ("interval", "paired")})
    fields["interval"] = _ends(row.interval)
    fields["paired"] = None
    if row.paired is not None:
        fields["paired"] = {**_known(vars(row.paired)), "interval": _ends(row.paired.interval)}
    return fields


def _known(fields: dict[str, Any]) -> dict[str, Any]:
    """Replace what JSON cannot hold: NaN by null, infinity by a word."""
    return {name: _json(value) for name, value in fields.items()}


def _json(value: Any) -> Any:
    if not isinstance(value, float) or math.isfinite(value):
        return value
    return None if math.isnan(value) else ("inf" if value > 0 else "-inf")


def _ends(interval: Interval) -> list[float] | None:
    return None if math.isnan(interval[0]) else list(interval)


def _cell(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _plain(text: str) -> str:
    """Keep a name from becoming a formula in a spreadsheet."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
