"""``medacuity study report``, ``analyse``, ``plan`` and ``simulate``: from answers to findings."""

import math
from pathlib import Path
from typing import Annotated, Any

import typer

from medacuity.cli.talk import say, show_json
from medacuity.errors import UsageError

Output = Annotated[
    Path | None, typer.Option("--output", "-o", help="Folder for the report, new or empty.")
]
Metrics = Annotated[
    Path | None,
    typer.Option(help="CSV of stimulus (or case and method) and a column per metric."),
]
Without = Annotated[list[str] | None, typer.Option(help="Leave out this rater; more than once.")]
Seed = Annotated[int, typer.Option(help="Of the bootstraps: the same seed, the same report.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print all findings as JSON.")]


def report(
    folder: Annotated[Path, typer.Argument(help="The study's folder.")],
    output: Output = None,
    database: Annotated[str | None, typer.Option(help="URL of its database.")] = None,
    metrics: Metrics = None,
    without: Without = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Say what the raters of a study saw: MOS, agreement, comparisons; HTML, PDF, CSV, JSON."""
    from medacuity.study.export import ratings_of

    given = ratings_of(folder, database)
    _report(given, output or folder / "report", metrics, without, seed=seed, as_json=as_json)


def analyse(
    ratings: Annotated[Path, typer.Argument(help="CSV of rater, stimulus, score, from any tool.")],
    output: Output = None,
    low: Annotated[float, typer.Option(help="Worst score of the scale.")] = math.nan,
    high: Annotated[float, typer.Option(help="Best score of the scale.")] = math.nan,
    reference: Annotated[
        str, typer.Option(help="The method that is the reference, for DMOS.")
    ] = "",
    metrics: Metrics = None,
    without: Without = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Report on any table of ratings: one per line, or a column per rater."""
    from medacuity.study.ratings_read import read_ratings

    given = read_ratings(ratings, low=low, high=high, reference=reference)
    place = output or ratings.with_name(f"{ratings.stem}-report")
    _report(given, place, metrics, without, seed=seed, as_json=as_json)


def plan(
    half_width: Annotated[float, typer.Option(help="Wanted half of the 95 % interval.")] = 0.5,
    sd: Annotated[float, typer.Option(help="Spread of raters about one stimulus.")] = 0.8,
    pilot: Annotated[
        Path | None, typer.Option(help="CSV of a pilot study: spreads from it.")
    ] = None,
    cases: Annotated[int, typer.Option(help="Cases of the study, with --pilot.")] = 20,
    as_json: AsJson = False,
) -> None:
    """Say how many raters a wanted interval asks for."""
    from medacuity.study.planning import plan_by_pilot, plan_by_spread
    from medacuity.study.ratings_read import read_ratings

    if pilot is None:
        found = plan_by_spread(sd, half_width)
    else:
        found = plan_by_pilot(read_ratings(pilot), half_width, cases=cases)
    show_json(found.as_json()) if as_json else print(found.text())


def simulate(
    output: Annotated[Path, typer.Option("--output", "-o", help="CSV to write.")],
    method: Annotated[
        list[str] | None, typer.Option(help="NAME=QUALITY, true quality; more than once.")
    ] = None,
    cases: Annotated[int, typer.Option(help="How many cases.")] = 20,
    raters: Annotated[int, typer.Option(help="How many raters.")] = 10,
    noise: Annotated[float, typer.Option(help="Chance in one answer, as sd.")] = 0.6,
    bias: Annotated[float, typer.Option(help="Raters are more or less strict, as sd.")] = 0.4,
    inattentive: Annotated[int, typer.Option(help="Raters that answer at random.")] = 0,
    repeats: Annotated[float, typer.Option(help="Share of stimuli seen twice.")] = 0.1,
    missing: Annotated[float, typer.Option(help="Share of answers never given.")] = 0.0,
    seed: Annotated[int, typer.Option(help="The same seed, the same ratings.")] = 0,
) -> None:
    """Write the ratings of raters who do not exist, to try an analysis or a plan on."""
    import numpy as np

    from medacuity.atomic import atomic_write
    from medacuity.study.ratings_write import ratings_csv
    from medacuity.study.simulate import Panel
    from medacuity.study.simulate import simulate as drawn

    panel = Panel(
        _qualities(method), cases, raters, bias=bias, noise=noise, inattentive=inattentive,
        repeats=repeats, missing=missing,
    )  # fmt: skip
    found = drawn(panel, np.random.default_rng(seed))
    with atomic_write(output) as file:
        file.write(ratings_csv(found.ratings.ratings).encode())
    say(f"{len(found.ratings.ratings)} ratings written to {output}")


def _report(
    given: Any, output: Path, metrics: Path | None, without: list[str] | None, *, seed: int,
    as_json: bool,
) -> None:  # fmt: skip
    from medacuity.study import report as reports
    from medacuity.study.ratings_metrics import read_metrics
    from medacuity.study.report_json import results_json

    known = read_metrics(metrics, given) if metrics else {}
    found = reports.analyse(reports.without(given, without or []), metrics=known, seed=seed)
    written = reports.write_report(found, output)
    print(results_json(found) if as_json else reports.text(found))
    say(f"written to {written[0]} and {len(written) - 1} more files")


def _qualities(given: list[str] | None) -> dict[str, float]:
    found = {}
    for text in given or ["first=3.5", "second=3.0"]:
        name, _, quality = text.rpartition("=")
        try:
            found[name] = float(quality)
        except ValueError:
            name = ""
        if not name:
            raise UsageError(f"a method is NAME=QUALITY such as srgan=3.6, got {text!r}")
    return found
