"""Every network on MRI, by the same seconds of training: gain, intervals, cost.

    python benchmarks/family.py --data ../shared/data --work FOLDER --seconds 150 \
        [--settings 2d-x2 ...] [--only EDSR ...] [--batch 8] [--evaluate-only]

A setting is prepared once, for all networks. A network's step is timed, and it takes as many
steps as ``--seconds`` of one core allow, its cosine over exactly these. What is done is kept, so
the same command goes on where it was stopped. Then all of them run on scans that no training
saw: 2D on 12 axial slices of eight scans, x2 to x4 by k-space crop; 3D on the central 96 voxels
per axis of four scans, x2 by block mean; in bfloat16. Protocol "head"; gains are over the
interpolation that is best on average; intervals are bootstraps over scans. Every setting leaves
``FOLDER/<setting>.json``; of all that are there ``family.md`` and ``family.png`` are made.
"""

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path
from typing import Any

import family_report
import numpy as np
import torch
from held_out import CASES, middle, scans

from medacuity.atomic import atomic_write
from medacuity.checkpoint import load_weights
from medacuity.degrade import Acquisition, degrade
from medacuity.enhance import Settings as Wish
from medacuity.enhance import enhance
from medacuity.evaluate import Case, Method, Table, evaluate
from medacuity.evaluate_statistics import bootstrap
from medacuity.metrics.protocols import protocol
from medacuity.models import INTERPOLATIONS
from medacuity.nd import LAYOUTS, channels_last
from medacuity.training.cases import find_cases
from medacuity.training.learners.supervised import Batch
from medacuity.training.pairs import Pairs
from medacuity.training.prepare import prepare
from medacuity.training.recipes import RECIPES, Recipe
from medacuity.training.recipes.family import FAMILY
from medacuity.training.run import Settings, resume_run, start_run
from medacuity.volume import Volume

SETTINGS = ("2d-x2", "2d-x3", "2d-x4", "3d-x2")
NAMES = [member.network.__name__ for member in FAMILY]
PLAIN = [name for name in INTERPOLATIONS if name not in ("nearest", "linear")]
SHIPPED = {"2d-x2": "mri-2d-x2", "3d-x2": "mri-3d-x2"}
VARIANTS = 2  # of every scan
TIMED = 3  # steps, after one that is not
SLICES, CUBE = 12, 96
SCANS = {
    2: ("1017_T1", "1000_T1", "patient12_study1_T1W_raw", "patient12_study1_T2W_raw",
        "patient12_study1_FLAIR_raw", "patient26_T1_MNI1mm", "IXI039-HH-1261", "GE 1.5 T PD"),
    3: ("1017_T1", "patient26_T1_MNI1mm", "patient26_T2_MNI1mm", "IXI039-HH-1261"),
}  # fmt: skip
SIDE = {2: 256, 3: 64}  # output voxels along each axis, of the image that is timed
RUNS = 5


def main() -> None:
    """Train what is not trained, evaluate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--seconds", type=float, default=150.0)
    parser.add_argument("--settings", nargs="*", choices=SETTINGS, default=[*SETTINGS])
    parser.add_argument("--only", nargs="*", choices=NAMES, default=NAMES)
    parser.add_argument("--batch", type=int, help="patches in a batch; else as the recipes say")
    parser.add_argument("--evaluate-only", action="store_true")
    args = parser.parse_args()
    torch.set_num_threads(1)
    for setting in args.settings:
        if not args.evaluate_only:
            train(setting, args.only, args.data, args.work, seconds=args.seconds, batch=args.batch)
        measured = measure(setting, args.only, args.data, args.work)
        _save(args.work / f"{setting}.json", measured)
    found = {s: json.loads(p.read_text()) for s in SETTINGS
             if (p := args.work / f"{s}.json").exists()}  # fmt: skip
    text = family_report.markdown(found)
    _write(args.work / "family.md", text.encode())
    _write(args.work / "family.png", family_report.picture(found))
    print(text)


def train(
    setting: str, names: list[str], data: Path, work: Path, *, seconds: float, batch: int | None
) -> None:
    """Give every network the same time."""
    arrays = work / setting / "arrays"
    if not (arrays / "pairs.json").exists():
        cases = [case for case in find_cases(data, CASES) if case.split != "test"]
        # One recipe prepares for all: they differ in the network alone.
        prepare(replace(_recipe("AcuityNet", setting), variants=VARIANTS), cases, arrays)
    for name in names:
        recipe, folder = _recipe(name, setting), work / setting / name
        recipe = replace(recipe, batch=batch or recipe.batch)
        if not _weights(folder, recipe).exists():
            _train(recipe, folder, arrays.resolve(), seconds)


def _train(recipe: Recipe, folder: Path, arrays: Path, seconds: float) -> None:
    talk = partial(_talk, recipe.name)
    if (folder / "run.json").exists():
        resume_run(folder, talk)
        return
    step = seconds_of_a_step(recipe, arrays)
    steps = max(10, int(seconds / step))
    print(f"{recipe.name}: {step:.3f} s a step, {steps} steps", flush=True)
    budget = {"meant": seconds, "step": step, "spent": None}
    _save(folder / "budget.json", budget)
    began = time.process_time()
    start_run(folder, Settings(
        recipe=recipe.name, arrays=str(arrays), steps=steps, batch=recipe.batch,
        seed=recipe.seed, save_every=steps, log_every=max(1, steps // 20),
        data=f"as in {CASES.name}, {VARIANTS} variants",
    ), talk)  # fmt: skip
    _save(folder / "budget.json", budget | {"spent": time.process_time() - began})


def seconds_of_a_step(recipe: Recipe, arrays: Path) -> float:
    """Return what a step takes of the core, loading included; others may use it meanwhile."""
    torch.manual_seed(0)
    model = channels_last(recipe.model(), recipe.dims)
    learner = recipe.learner(model, steps=100)
    pairs = Pairs(arrays, "train", patch=recipe.patch, scale=recipe.scale, seed=recipe.seed)
    taken = []
    for step in range(1 + TIMED):
        began = time.process_time()
        batch = pairs.batch(step, recipe.batch)
        layout = LAYOUTS[recipe.dims]
        learner.step(Batch(*(x.contiguous(memory_format=layout) for x in batch)))
        taken.append(time.process_time() - began)
    return statistics.median(taken[1:])


def measure(setting: str, names: list[str], data: Path, work: Path) -> dict[str, Any]:
    """Return the figures of a setting: of every network that is trained, and interpolation."""
    files = {
        name: path for name in names
        if (path := _weights(work / setting / name, _recipe(name, setting))).exists()
    }  # fmt: skip
    if setting in SHIPPED:
        files["shipped"] = Path(SHIPPED[setting])
    made = _acquisition(setting)
    run = partial(_enhanced, factor=made.factor)
    methods: dict[str, Method] = {name: partial(run, weights=name) for name in PLAIN}
    methods |= {name: partial(run, weights=str(path)) for name, path in files.items()}
    cases = list(_cases(data, made, int(setting[0])))
    table = evaluate(methods, cases, protocol("head"), interpolations=PLAIN,
                     report=lambda r: print(setting, r.case, r.method, r.record.get("psnr"),
                                            r.refusal, flush=True))  # fmt: skip
    rows = [_figures(table, name, files) for name in methods]
    return {"setting": setting, "scans": list(table.cases), "protocol": table.protocol,
            "baseline": table.baseline("psnr"), "rows": rows}  # fmt: skip


def _figures(table: Table, name: str, files: Mapping[str, Path]) -> dict[str, Any]:
    """Return a line: quality, and of a network also what it costs."""
    quality = {
        metric: asdict(next(row for row in table.rows(metric) if row.method == name))
        for metric in ("psnr", "ssim")
    }
    if name not in files:
        return {"name": name, **quality}
    trained = load_weights(str(files[name]))
    return {
        "name": name, "network": trained.card.network, **quality,
        "weights": sum(weight.numel() for weight in trained.model.parameters()),
        "milliseconds": milliseconds(trained.model, trained.card.arguments["dims"]),
        "steps": trained.card.training["steps"], "batch": trained.card.training["batch"],
        "against": _against(table, name), **_budget(files[name].parent),
    }  # fmt: skip


def _budget(folder: Path) -> dict[str, Any]:
    path = folder / "budget.json"
    return json.loads(path.read_text()) if path.exists() else {"meant": None, "spent": None}


def _against(table: Table, name: str) -> tuple[float, tuple[float, float]] | None:
    """Return the mean difference to the house's network, scan by scan, and its interval."""
    ours, theirs = (table.values(each, "psnr") for each in (name, family_report.HOUSE))
    if not ours or ours.keys() != theirs.keys():
        return None
    difference = np.array([ours[case] - theirs[case] for case in ours])
    return float(difference.mean()), bootstrap(difference, seed=table.seed)


@torch.inference_mode()
def milliseconds(model: torch.nn.Module, dims: int) -> float:
    """Return the core's milliseconds per 1e6 output voxels: one thread, bfloat16.

    The fastest run counts: others may use the machine, and its caches, meanwhile.
    """
    size = [SIDE[dims] // s for s in model.scale]  # type: ignore[union-attr]
    x = torch.rand(1, 1, *size).contiguous(memory_format=LAYOUTS[dims])
    model, taken = channels_last(model, dims), []
    with torch.autocast("cpu", torch.bfloat16):
        for _ in range(1 + RUNS):
            began = time.process_time()
            voxels = model(x).numel()
            taken.append(time.process_time() - began)
    return min(taken[1:]) * 1e9 / voxels


def _enhanced(volume: Volume, *, factor: tuple[float, ...], weights: str) -> Volume:
    return enhance(volume, Wish(scale=factor, weights=weights, half=True, device="cpu")).volume


def _acquisition(setting: str) -> Acquisition:
    factor = int(setting[-1])
    if setting[0] == "3":
        return Acquisition("block-mean", (factor,) * 3, seed=1)
    return Acquisition("kspace", (factor, factor, 1), seed=1)


def _cases(data: Path, made: Acquisition, dims: int) -> Iterator[Case]:
    for scan in scans(data):
        if scan.name in SCANS[dims]:
            factor = int(made.factor[0])
            part = middle(scan.volume, SLICES, factor) if dims == 2 else _cube(scan.volume, CUBE)
            yield Case(scan.name, partial(_pair, part, made))


def _cube(volume: Volume, side: int) -> Volume:
    """Keep the central voxels, fewer where an axis has fewer."""
    keep = [min(side, n) // 2 * 2 for n in volume.shape]
    first = [(n - k) // 2 for n, k in zip(volume.shape, keep, strict=True)]
    window = tuple(slice(f, f + k) for f, k in zip(first, keep, strict=True))
    start = np.eye(4)
    start[:3, 3] = first
    array = np.ascontiguousarray(volume.array[window])
    return Volume(array, volume.affine @ start, volume.unit)


def _pair(truth: Volume, made: Acquisition) -> tuple[Volume, Volume]:
    return degrade(truth, made), truth


def _recipe(name: str, setting: str) -> Recipe:
    return RECIPES[f"{name.lower()}-mri-{setting}"]


def _weights(folder: Path, recipe: Recipe) -> Path:
    return folder / f"{recipe.weights}.safetensors"


def _talk(name: str, step: int, of: int, logged: Mapping[str, float]) -> None:
    if "gain_db" in logged:
        print(f"{name}: step {step} of {of}, {logged['gain_db']:+.2f} dB over cubic", flush=True)


def _save(path: Path, content: Mapping[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    _write(path, json.dumps(content, indent=1).encode())


def _write(path: Path, content: bytes) -> None:
    with atomic_write(path) as file:
        file.write(content)


if __name__ == "__main__":
    main()
