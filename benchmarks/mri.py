"""How much better than the best interpolation, on every scan that no training saw?

    python benchmarks/mri.py --data ../shared/data [--oracle ../shared/oracle] [--only in-plane]

In one run, same cases: linear, cubic, cubic B-spline, Lanczos and zero-filled sinc; OpenCV's
photo networks (``--oracle``: a folder with opencv/*.pb); and medacuity's own choice of weights.
Protocol "head" of medacuity.metrics.protocols: PSNR inside the head, over its 99.9th percentile.

- in-plane: x2, k-space crop, axial, the 24 middle slices;
- through-plane: x2, x3, x4, block mean and Gaussian slice profile, the 96 middle slices;
- isotropic: x2 on all axes, k-space crop, block mean and slice profile, the 96 middle slices;
- each also with 3 % Rician noise. ``--write-cards`` puts the summary into the weights' cards.
"""

import argparse
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from held_out import Scan, middle, scans

from medacuity.checkpoint import find_weights, load_weights, save_weights
from medacuity.degrade import Acquisition, degrade
from medacuity.enhance import Settings, enhance
from medacuity.evaluate import Case, Table, evaluate
from medacuity.metrics.fidelity import psnr
from medacuity.metrics.protocols import PERCENTILE, Protocol, head_mask, protocol
from medacuity.volume import Volume

PLAIN = ("linear", "cubic", "spline", "lanczos", "sinc")
PHOTO = {"FSRCNN_x2": "fsrcnn", "ESPCN_x2": "espcn", "LapSRN_x2": "lapsrn"}
OURS = "medacuity"
WAYS = (
    ("block-mean", 0.0, ""), ("slice-profile", 0.0, ""), ("block-mean", 0.03, "-noisy"),
)  # fmt: skip


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--oracle", type=Path)
    parser.add_argument("--only", choices=[*PARTS])
    parser.add_argument("--half", action="store_true", help="bfloat16, for a quick look")
    parser.add_argument("--write-cards", action="store_true")
    parser.add_argument("--model", help="weights to measure instead of medacuity's own choice")
    parser.add_argument("--groups", nargs="*", help="only scans whose group contains one of these")
    args = parser.parse_args()
    chosen = [
        scan for scan in scans(args.data)
        if not args.groups or any(g in scan.group for g in args.groups)
    ]  # fmt: skip
    settings = Settings(half=args.half)
    measured: dict[str, dict[str, str]] = {}
    for name, part in PARTS.items():
        if args.only in (None, name):
            for title, weights, made, cases in part(chosen):
                if args.model and made.noise:
                    continue  # what is asked for by name is measured on what it is made for
                weights = args.model or weights
                methods = _methods(settings, made.factor, args.model)
                if name == "in-plane" and args.oracle:
                    methods |= _photo_networks(args.oracle / "opencv")
                table = evaluate(methods, cases, PSNR_ONLY, interpolations=PLAIN)
                measured.setdefault(weights, {})[title] = _print(title, table)
    if args.write_cards:
        for weights, figures in measured.items():
            trained = load_weights(weights)
            by = f"benchmarks/mri.py{' --half' * args.half}, PSNR gain over the best interpolation"
            figures = {"by": by, **figures}
            save_weights(find_weights(weights), trained.model,
                         replace(trained.card, measured=figures))  # fmt: skip


Part = Iterator[tuple[str, str, Acquisition, list[Case]]]
"""Title, the weights it is meant to measure, the acquisition, the cases."""


def in_plane(chosen: list[Scan]) -> Part:
    """Yield x2 in the axial plane, clean and noisy."""
    for noise, ending in ((0.0, ""), (0.03, "-noisy")):
        made = Acquisition("kspace", (2, 2, 1), noise=noise, seed=1)
        cases = [Case(s.name, partial(_pair, middle(s.volume, 24, 2), made)) for s in chosen]
        yield f"in-plane x2, k-space crop, noise {noise:.0%}", f"mri-2d-x2{ending}", made, cases


def through_plane(chosen: list[Scan]) -> Part:
    """Yield x2, x3, x4 along the slice axis."""
    for factor in (2, 3, 4):
        for kind, noise, ending in WAYS:
            made = Acquisition(kind, (1, 1, factor), noise=noise, seed=1)
            cases = [
                Case(s.name, partial(_pair, middle(s.volume, 96 // factor * factor), made))
                for s in chosen if s.volume.shape[2] >= 8 * factor
            ]  # fmt: skip
            title = f"through-plane x{factor}, {kind}, noise {noise:.0%}"
            yield title, f"mri-slices-x{factor}{ending}", made, cases


def isotropic(chosen: list[Scan]) -> Part:
    """Yield x2 along every axis, of scans with voxels that are about cubes."""
    for kind, noise, ending in (("kspace", 0.0, ""), *WAYS):
        made = Acquisition(kind, (2, 2, 2), noise=noise, seed=1)
        cases = [
            Case(s.name, partial(_pair, middle(s.volume, 96, 2), made))
            for s in chosen if s.volume.shape[2] >= 80
        ]  # fmt: skip
        yield f"isotropic x2, {kind}, noise {noise:.0%}", f"mri-3d-x2{ending}", made, cases


PARTS: dict[str, Callable[[list[Scan]], Part]] = {
    "in-plane": in_plane,
    "through-plane": through_plane,
    "isotropic": isotropic,
}


def _pair(truth: Volume, made: Acquisition) -> tuple[Volume, Volume]:
    size = [n // int(f) * int(f) for n, f in zip(truth.shape, made.factor, strict=True)]
    whole = np.ascontiguousarray(truth.array[: size[0], : size[1], : size[2]])
    cut = Volume(whole, truth.affine, truth.unit)
    return degrade(cut, made), cut


def _head_psnr(prediction: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    """PSNR as the protocol "head" has it; its SSIM would take longer than the networks."""
    span = float(np.percentile(truth, PERCENTILE))
    x, y, inside = (torch.from_numpy(v)[None, None] for v in (prediction, truth, head_mask(truth)))
    return {"psnr": psnr(x, y, data_range=span, mask=inside).item(), "data_range": span}


PSNR_ONLY = Protocol("head", str(protocol("head")), _head_psnr)


def _methods(
    settings: Settings, factor: tuple[float, ...], model: str | None
) -> dict[str, Callable[[Volume], Volume]]:
    def run(volume: Volume, weights: str | None) -> Volume:
        wanted = Settings(scale=factor, weights=weights, half=settings.half)
        return enhance(volume, wanted).volume

    methods = {name: partial(run, weights=name) for name in PLAIN}
    return {**methods, OURS: partial(run, weights=model)}


def _photo_networks(folder: Path) -> dict[str, Callable[[Volume], Volume]]:
    """OpenCV's networks on 8-bit slices over the same range, as a user would run them."""
    from cv2 import dnn_superres

    methods: dict[str, Callable[[Volume], Volume]] = {}
    for file, kind in PHOTO.items():
        network = dnn_superres.DnnSuperResImpl_create()
        network.readModel(str(folder / f"{file}.pb"))
        network.setModel(kind, 2)
        methods[f"OpenCV {file}"] = partial(_photo, network=network)
    return methods


def _photo(volume: Volume, *, network: object) -> Volume:
    span = float(np.percentile(volume.array, 99.9))
    grey = np.clip(volume.array / span * 255, 0, 255).round().astype(np.uint8)
    slices = [
        network.upsample(np.repeat(grey[:, :, k, None], 3, 2)).mean(2)  # type: ignore[attr-defined]
        for k in range(grey.shape[2])
    ]
    return volume.resampled((np.stack(slices, 2) / 255 * span).astype(np.float32))


def _print(title: str, table: Table) -> str:
    """Print a line per case, and return the mean gain and the worst: every case counts."""
    print(f"\n### {title}\n")
    values = {name: table.values(name, "psnr") for name in table.methods}
    peers = [name for name in table.methods if name not in (*PLAIN, OURS)]
    print("| case | best interpolation | dB | " + "".join(f"{p} | " for p in peers)
          + "medacuity | gain |")  # fmt: skip
    print("|---|---|---|" + "---|" * len(peers) + "---|---|")
    gains = {}
    for case in values[OURS]:
        best = max(PLAIN, key=lambda name: values[name][case])
        gains[case] = values[OURS][case] - values[best][case]
        others = "".join(f" {values[p][case]:.2f} |" for p in peers)
        print(f"| {case} | {best} | {values[best][case]:.2f} |{others} "
              f"{values[OURS][case]:.2f} | {gains[case]:+.2f} |", flush=True)  # fmt: skip
    for refusal in table.refusals:
        print(f"refused: {refusal.case} {refusal.method}: {refusal.refusal}")
    summary = "; ".join(
        f"{group}: mean {np.mean(some):+.2f} dB, worst {min(some):+.2f}, "
        f"ahead on {sum(g > 0 for g in some)} of {len(some)}"
        for group, oasis in (("OASIS", True), ("others", False))
        if (some := [g for c, g in gains.items() if c[:1].isdigit() == oasis])
    )
    print(f"\n{summary}", flush=True)
    return summary


if __name__ == "__main__":
    torch.set_grad_enabled(False)
    main()
