"""How true are reconstructions, in HU: FBP, SIRT, CGLS, TV and networks on two CT patients.

    python benchmarks/ct_accuracy.py --data ../shared/data [--slices 2] [--patients chest]
        [--tasks "low dose"] [--methods tv primal-dual] [--model primal-dual=FILE] [--output DIR]

Slices of `ct_cases`: 362 x 362 pixels of 0.718 mm over 26 cm, measured as in LoDoPaB (513 bins
over the diagonal; 1000 views of 4096 photons, or 60 views), from pixels half as large. PSNR and
SSIM are over each slice's own range, as LoDoPaB has it; the window's PSNR is of soft tissue,
-160 to 240 HU, range 400. Hann is FBP with the cut-off that has the best mean PSNR *on these very
slices*: no honest user could tune it better. TV runs with its defaults, which were chosen on four
of these slices (numbers 3 and 16 of the chest, 14 and 70 of the abdomen); networks with the
shipped weights, unless a file is given. Bias is the mean error over all voxels that the truth says
are soft tissue (0 to 100 HU) or lung (-950 to -700), two pixels from its rim or more; in brackets
the mean of the slices' own, and the lowest and highest of them.
Intervals are 95 % of the bootstrap over slices. Seconds and memory (peak over what was there
before) are for a slice of a batch.
"""

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from ct_cases import PATIENTS, TASKS, load, measured
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from medacuity.checkpoint import shipped
from medacuity.evaluate_pictures import write_picture
from medacuity.evaluate_statistics import bootstrap
from medacuity.metrics.ct import WINDOWS, bias, rmse, tissue, windowed
from medacuity.metrics.fidelity import psnr, ssim
from medacuity.reconstruct import METHODS, Settings, reconstruct
from medacuity.sinograms import Sinogram

CUTOFFS = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.7, 0.8, 0.9, 1.0)
RAM_LAK, HANN, TV = "FBP, Ram-Lak", "FBP, best Hann", "tv"
CLASSICAL = ("sirt", "cgls", TV)
SOFT = "soft tissue"


class Result(NamedTuple):
    """A method's images of some slices in HU, and what they took, per slice."""

    x: Tensor
    seconds: float
    memory: float


def main() -> None:
    """Measure, print, check and draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--slices", type=int, default=2, help="of each patient")
    parser.add_argument("--patients", nargs="+", default=list(PATIENTS), choices=list(PATIENTS))
    parser.add_argument("--tasks", nargs="+", default=["low dose", "60 views"], choices=list(TASKS))
    parser.add_argument("--methods", nargs="+", default=None, choices=sorted(METHODS))
    parser.add_argument("--model", nargs="+", default=[], metavar="METHOD=FILE")
    parser.add_argument("--output", type=Path, help="folder for the pictures")
    args = parser.parse_args()
    if args.output is not None:
        args.output.mkdir(parents=True, exist_ok=True)
    models = dict(pair.split("=", 1) for pair in args.model)
    for name in args.tasks:
        methods = _available(name) if args.methods is None else args.methods
        cases = [load(args.data, patient, count=args.slices) for patient in args.patients]
        truth = torch.cat([case.hu for case in cases])
        print(f"\n{name}, slices " + "; ".join(
            f"{case.patient} {', '.join(map(str, case.numbers))}" for case in cases
        ), flush=True)  # fmt: skip
        results = _results([measured(case, TASKS[name]) for case in cases], truth, methods, models)
        _table(results, truth)
        _checks(results, truth)
        if args.output is not None:
            _draw(results, truth, args.output / f"ct_{name.replace(' ', '_')}.png")


def _available(task: str) -> list[str]:
    kind = "low-dose" if task == "low dose" else "sparse"
    return [*CLASSICAL, *(m for m in METHODS if f"{m}-{kind}" in shipped())]


def _results(
    scans: list[Sinogram], truth: Tensor, methods: list[str], models: Mapping[str, str]
) -> dict[str, Result]:
    _run(scans[:1], Settings())  # compiled, and memory touched
    tuned = {
        cutoff: _run(scans, Settings(window="hann", cutoff=cutoff)) for cutoff in CUTOFFS
    }  # fmt: skip
    best = max(tuned, key=lambda cutoff: float(_psnr(tuned[cutoff].x, truth).mean()))
    found = {RAM_LAK: _run(scans, Settings()), f"{HANN} {best:g}": tuned[best]}
    for method in methods:
        found[method] = _run(scans, replace(Settings(method), model=models.get(method)))
    return found


def _run(scans: list[Sinogram], settings: Settings) -> Result:
    before, began = _peak(reset=True), time.perf_counter()
    volumes = [reconstruct(scan, settings)[0] for scan in scans]
    seconds, memory = time.perf_counter() - began, _peak() - before
    slices = np.concatenate([np.moveaxis(volume.array, 2, 0) for volume in volumes])
    return Result(
        torch.from_numpy(np.ascontiguousarray(slices))[:, None], seconds / len(slices),
        memory / max(len(scan.array) for scan in scans),
    )  # fmt: skip


def _peak(*, reset: bool = False) -> float:
    """Return the most memory since the last reset in MiB (Linux), or now if it is reset."""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    lines = Path("/proc/self/status").read_text().splitlines()
    return float(next(line for line in lines if line.startswith("VmHWM")).split()[1]) / 1024


def _psnr(x: Tensor, truth: Tensor) -> Tensor:
    return torch.cat([
        psnr(a[None], b[None], data_range=float(b.max() - b.min()))
        for a, b in zip(x, truth, strict=True)
    ])  # fmt: skip


def _ssim(x: Tensor, truth: Tensor) -> Tensor:
    return torch.cat([
        ssim(a[None], b[None], data_range=float(b.max() - b.min()))
        for a, b in zip(x, truth, strict=True)
    ])  # fmt: skip


def _soft(x: Tensor, truth: Tensor) -> Tensor:
    low, high = WINDOWS[SOFT]
    return psnr(windowed(x, (low, high)), windowed(truth, (low, high)), data_range=high - low)


def _table(results: dict[str, Result], truth: Tensor) -> None:
    print("\n| method | PSNR, dB | SSIM | RMSE, HU | PSNR, soft window | bias, soft tissue | "
          "bias, lung | s a slice | MiB a slice |\n" + "|---" * 9 + "|")  # fmt: skip
    soft, lung = tissue(truth, SOFT), tissue(truth, "lung")
    for name, (x, seconds, memory) in results.items():
        print(f"| {name} | {_told(_psnr(x, truth), 2)} | {_told(_ssim(x, truth), 3)} | "
              f"{_told(rmse(x, truth), 1)} | {_told(_soft(x, truth), 2)} | "
              f"{_bias(x, truth, soft)} | {_bias(x, truth, lung)} | "
              f"{seconds:.1f} | {memory:.0f} |", flush=True)  # fmt: skip


def _bias(x: Tensor, truth: Tensor, mask: Tensor) -> str:
    """Return the mean error over all voxels of a tissue, and over those of each slice."""
    if not mask.any():
        return "-"
    each = bias(x, truth, mask=mask)
    each = each[~each.isnan()]
    return (f"{float((x - truth)[mask].double().mean()):+.1f} ({float(each.mean()):+.1f}; "
            f"{float(each.min()):+.1f} to {float(each.max()):+.1f})")  # fmt: skip


def _told(values: Tensor, digits: int) -> str:
    low, high = bootstrap(values.double().numpy(), seed=0)
    return f"{float(values.mean()):.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _checks(results: dict[str, Result], truth: Tensor) -> None:
    """Print the least gain, over the slices, of what must be ahead of what."""
    score = {name: _psnr(result.x, truth) for name, result in results.items()}
    filtered = torch.stack([score[name] for name in score if name.startswith("FBP")]).amax(0)
    rows = [(TV, "every FBP", score[TV] - filtered)] if TV in score else []
    for name in (name for name in score if name not in CLASSICAL and not name.startswith("FBP")):
        if TV in score:
            rows.append((name, TV, score[name] - score[TV]))
        rows.append((name, RAM_LAK, score[name] - score[RAM_LAK]))
        rows.append((name, "best Hann", score[name] - filtered))
    print()
    for name, peer, gain in rows:
        won = int((gain > 0).sum())
        print(f"{name} is ahead of {peer} on {won} of {len(gain)} slices, by {_told(gain, 2)} dB, "
              f"at least {float(gain.min()):.2f}")  # fmt: skip


def _draw(results: dict[str, Result], truth: Tensor, path: Path) -> None:
    """Draw the first and last slice of every method in a window from lung to bone."""
    shown = {"truth": truth} | {name: result.x for name, result in results.items()}
    rows = sorted({0, len(truth) - 1})
    figure = Figure((2.3 * len(shown), 2.5 * len(rows)), layout="constrained")
    axes = figure.subplots(len(rows), len(shown), squeeze=False)
    for row, n in enumerate(rows):
        for ax, (name, x) in zip(axes[row], shown.items(), strict=True):
            ax.imshow(_upright(x[n, 0]), cmap="gray", vmin=-1000, vmax=600)
            error = (
                "" if name == "truth" else f"\n{float(rmse(x[n : n + 1], truth[n : n + 1])):.0f} HU"
            )
            ax.set_title(name + error, size=8)
            ax.set_axis_off()
    write_picture(path, figure)


def _upright(x: Tensor) -> NDArray[np.float32]:
    """Return rows that run down the screen, front of the body up; arrays run left to right."""
    return np.asarray(x.numpy().T)


if __name__ == "__main__":
    main()
