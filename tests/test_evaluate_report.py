"""A report can be read, checked and read again by a program, and tells what it rests on.

- Every form names the protocol, the range, the baseline and what was refused.
- CSV holds every figure to the last digit, one line per case and method; nothing in it can
  become a formula.
- JSON is strict: what has no value is null, what is infinite says so.
"""

import csv
import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from medacuity.evaluate import Result, Table
from medacuity.evaluate_report import as_csv, as_json, grid, lines, markdown, ranges, write_reports

FIGURES = {"cubic": (30.0, 0.9), "linear": (29.0, 0.88), "ours": (33.3, 0.95)}


def table(n: int = 6, *, refused: str = "", case: str = "scan") -> Table:
    results = [
        Result(
            f"{case}-{i}",
            method,
            {"psnr": psnr * (1 + 0.001 * i), "ssim": ssim, "data_range": 1e3 + i},
        )
        for i in range(n)
        for method, (psnr, ssim) in FIGURES.items()
    ]
    names = [f"{case}-{i}" for i in range(n)]
    if refused:
        names.append("lost")
        results += [Result("lost", method, {}, refused) for method in FIGURES]
    return Table("head: as measured", (*FIGURES,), (*names,), (*results,), ("cubic", "linear"))


def test_markdown_says_everything() -> None:
    text = markdown(table(refused="the file ends too early"))
    assert "Protocol head: as measured." in text
    assert "Data range: 1000 to 1005, by case." in text
    assert "PSNR (dB): gain over cubic, the best interpolation." in text
    assert "6 of 6" in text
    assert "+3.31" in text
    assert text.count("Refused: lost: the file ends too early") == 1
    assert "With 6 cases no p below 0.031 is possible" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in rows}) == 1


def test_many_cases_need_no_warning() -> None:
    assert "narrower" not in markdown(table(12))


def test_a_name_cannot_break_the_table() -> None:
    odd = Table("p", ("a|b",), ("c",), (Result("c", "a|b", {"psnr": 1.0, "data_range": 1.0}),))
    assert r"| a\|b | 1 | 1.00 | - | - |" in markdown(odd, ["psnr"])


def test_one_range_is_printed_once() -> None:
    assert ranges(table(1)) == "1000"
    assert "no case" in ranges(Table("p", ("a",), ("c",), (Result("c", "a", {}, "why"),)))


def test_what_is_not_known_is_a_dash() -> None:
    single = lines(table(1), "psnr")
    assert single[1] == ("cubic", "1", "30.00", "-", "-", "", "", "", "")
    assert single[3][5:] == ("+3.30", "-", "1 of 1", "1")


def test_the_terminal_shows_the_same() -> None:
    console = Console(file=io.StringIO(), width=120)
    console.print(grid(table(), "psnr"))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert all(cell in shown for cell in ("ours", "33.38", "+3.31", "6 of 6", "0.031"))


def test_csv_holds_every_figure() -> None:
    full = table(refused="why, exactly")
    rows = [*csv.DictReader(io.StringIO(as_csv(full)))]
    assert len(rows) == len(full.results)
    for row, result in zip(rows, full.results, strict=True):
        assert (row["case"], row["method"], row["refusal"]) == (
            result.case, result.method, result.refusal
        )  # fmt: skip
        figures = {name: float(row[name]) for name in result.record}
        assert figures == result.record


@pytest.mark.parametrize("name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1"])
def test_a_name_cannot_become_a_formula(name: str) -> None:
    assert f"'{name}" in as_csv(table(1, case=name))


def test_json_is_strict_and_complete() -> None:
    perfect = Table(
        "p", ("i", "ours"), ("c",),
        (Result("c", "i", {"psnr": 30.0}), Result("c", "ours", {"psnr": math.inf})), ("i",), 7,
    )  # fmt: skip
    read = json.loads(as_json(perfect, ["psnr"]), parse_constant=lambda word: pytest.fail(word))
    i, ours = read["metrics"]["psnr"]
    assert read["seed"] == 7
    assert (i["mean"], i["interval"], i["paired"]) == (30.0, None, None)
    assert (ours["mean"], ours["paired"]["wins"], ours["paired"]["baseline"]) == ("inf", 1, "i")
    assert read["cases"][1] == {"case": "c", "method": "ours", "psnr": "inf", "refusal": ""}


def test_reports_are_written_and_the_same_each_time(tmp_path: Path) -> None:
    paths = write_reports(tmp_path, table())
    assert [p.name for p in paths] == ["table.md", "table.json", "cases.csv"]
    before = [p.read_bytes() for p in paths]
    write_reports(tmp_path, table())
    assert [p.read_bytes() for p in paths] == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["cases.csv", "table.json", "table.md"]
