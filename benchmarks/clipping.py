"""What is adjustable gradient clipping for? VDSR at its paper's rate, with and without it.

    python benchmarks/clipping.py --data ../shared/data [--steps 300] [--runs FOLDER]

The same seed, the same patches, the same rate of 0.1 that falls to a tenth after every quarter;
and, as a third run, no clipping at a rate low enough to live (``--rate``). Prints the runs and
draws their loss and their gain over bicubic on pictures kept apart. A run whose steps are no
longer finite is ended by the loop, and drawn as ending there. Finished runs in ``--runs`` are
drawn again rather than repeated.
"""

import argparse
import csv
import io
import math
import sys
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from medacuity.atomic import atomic_write
from medacuity.errors import SafetyGate, WeightsRefused
from medacuity.training.recipes import RECIPES
from medacuity.training.run import Settings, create_run
from medacuity.training.session import go_on

CLIPPED, UNCLIPPED = "vdsr-photo", "vdsr-photo-unclipped"
COLOURS = ("tab:blue", "tab:red", "tab:orange")
POINTS = 2000  # on the curve of the loss, at most: a run may end after its first step
CHECKS = 20  # on the curve of the gain
LOWEST = -10.0  # dB over bicubic that is drawn

Curve = list[dict[str, float]]
"""The rows of a run's metrics.csv; what was not measured is not in a row."""


def main() -> None:
    """Train, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rate", type=float, default=1e-5, help="of the third run")
    parser.add_argument("--runs", type=Path, help="keep the runs there")
    parser.add_argument("--output", type=Path, default=Path("docs/networks/clipping.png"))
    args = parser.parse_args()
    recipes = {
        "rate 0.1, with clipping": CLIPPED,
        "rate 0.1, without": UNCLIPPED,
        f"rate {args.rate:g}, without": slower(args.rate),
    }
    with tempfile.TemporaryDirectory() as folder:
        runs, data = (args.runs or Path(folder)).resolve(), find_folder(args.data)
        curves = {name: train(runs, each, args.steps, data) for name, each in recipes.items()}
    print("| VDSR | updates | loss, first | loss, last | dB over bicubic | ended |")
    print("|---|---|---|---|---|---|")
    for name, curve in curves.items():
        print(f"| {name} | {_row(curve, args.steps)} |")
    with atomic_write(args.output) as file:
        file.write(draw(curves, args.steps))


def find_folder(data: Path) -> Path:
    """Return the folder of the sets of pictures."""
    return data / "travel/natural" if (data / "travel/natural").is_dir() else data


def slower(rate: float) -> str:
    """Put the run without clipping at another rate on the menu of this process; return its name."""
    recipe = RECIPES[UNCLIPPED]
    descent = recipe.learner.keywords["descent"]
    optimiser = partial(descent.optimiser, rate=rate)
    learner = partial(recipe.learner, descent=replace(descent, optimiser=optimiser))
    name = f"{UNCLIPPED}-{rate:g}"
    RECIPES[name] = replace(recipe, name=name, learner=learner)
    return name


def train(runs: Path, name: str, steps: int, pictures: Path) -> Curve:
    """Return the curve of a run: of the one that is there, or of a new one.

    All runs learn from the same arrays: how pictures are reduced has nothing to do with it.
    """
    folder, recipe = runs / name, RECIPES[name]
    if not (folder / "run.json").exists():
        every = max(1, steps // POINTS)
        create_run(folder, Settings(
            recipe=name, arrays=str(runs / "arrays"), steps=steps, batch=recipe.batch,
            seed=recipe.seed, log_every=every, save_every=every * max(1, steps // every // CHECKS),
            scans=str(pictures.resolve()), variants=recipe.variants,
        ))  # fmt: skip
    try:
        go_on(
            folder,
            report=lambda doing, n, of: print(f"\r{n}/{of} {doing}", end="", file=sys.stderr),
        )
    except (SafetyGate, WeightsRefused) as gate:
        print(f"\n{name}: {gate}", file=sys.stderr)
    return read_curve(folder / "metrics.csv")


def read_curve(path: Path) -> Curve:
    """Return the rows of a metrics.csv; what is empty or not finite is left out of its row."""
    if not path.exists():  # it ended before anything was logged
        return []
    with path.open(newline="") as file:
        return [_finite(row) for row in csv.DictReader(file)]


def _finite(row: dict[str, str]) -> dict[str, float]:
    numbers = {key: float(value) for key, value in row.items() if value}
    return {key: value for key, value in numbers.items() if math.isfinite(value)}


def _row(curve: Curve, steps: int) -> str:
    losses, gains = _of(curve, "loss")[1], _of(curve, "gain_db")[1]
    last = _last_sound(curve)
    ended = "as planned" if last == steps else f"not finite after update {last}"
    first_last = f"{losses[0]:.4g} | {losses[-1]:.4g}" if losses else "- | -"
    return f"{steps} | {first_last} | {f'{gains[-1]:+.2f}' if gains else '-'} | {ended}"


def _of(curve: Curve, key: str) -> tuple[list[float], list[float]]:
    """Return steps and values of one figure, where it was measured and finite."""
    rows = [row for row in curve if key in row]
    return [row["step"] for row in rows], [row[key] for row in rows]


def _last_sound(curve: Curve) -> int:
    """Return the last logged step that was taken."""
    return max((int(r["step"]) for r in curve if "loss" in r and not r.get("skipped")), default=0)


def draw(curves: dict[str, Curve], steps: int) -> bytes:
    """Return a PNG: the loss and the gain over bicubic of every run."""
    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for (name, curve), colour in zip(curves.items(), COLOURS, strict=True):
        ended = _last_sound(curve)
        for axes, key in ((left, "loss"), (right, "gain_db")):
            xs, ys = _of([row for row in curve if row["step"] <= ended], key)
            axes.plot(xs, ys, "-", color=colour, lw=1.3, label=_named(name, ended, steps))
            if ended < steps and xs:
                axes.plot(xs[-1], ys[-1], "x", ms=10, mew=2.5, color=colour)
    left.set_yscale("log")
    left.set_title("loss: half the summed squares per patch", fontsize=10)
    right.set_title("dB over bicubic, pictures kept apart", fontsize=10)
    right.set_ylim(bottom=max(LOWEST, right.get_ylim()[0]))
    right.axhline(0, color="0.6", lw=0.8)
    for axes in (left, right):
        _stages(axes, steps)
    left.legend(fontsize=8)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _named(name: str, ended: int, steps: int) -> str:
    return name if ended == steps else f"{name}: not finite after update {ended}"


def _stages(axes: Any, steps: int) -> None:
    axes.set_xlabel("updates; the rate falls to a tenth at the dotted lines")
    axes.set_xlim(0, steps)
    for quarter in (1, 2, 3):
        axes.axvline(quarter * steps / 4, color="0.75", ls=":", lw=1)


if __name__ == "__main__":
    main()
