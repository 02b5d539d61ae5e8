"""How fast are projection and filtered back-projection, against scikit-image and ASTRA?

    python benchmarks/ct_speed.py [--size 512] [--views 360] [--slices 16] [--rounds 7]

Every round runs all candidates in turn on the same sinogram; the ratio is the median over the
rounds of what a peer took over what we took, per slice, and in brackets the ratio of the best
times. Peers work on one slice at a time and, on the CPU, on one thread; we take as many threads
as there are cores. Needs scikit-image and astra-toolbox; prints what is wanted beside it.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

import astra
import numpy as np
import torch
from skimage.transform import iradon

from medacuity.physics.fbp import fbp
from medacuity.physics.geometry import Grid, parallel
from medacuity.physics.phantoms import shepp_logan
from medacuity.physics.radon import Radon

Job = Callable[[], object]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", help="not needed")
    parser.add_argument("--size", type=int, default=512)
    parser.add_argument("--views", type=int, default=360)
    parser.add_argument("--slices", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=7)
    args = parser.parse_args()
    torch.set_num_threads(os.cpu_count() or 1)
    jobs = _jobs(args.size, args.views, args.slices)
    seconds = _race(jobs, args.rounds)
    n = args.slices
    print(f"{args.size} x {args.size}, {args.views} views, {torch.get_num_threads()} threads\n")
    print("| task | peer | ours, ms a slice | peer, ms a slice | ratio (best) | wanted |")
    print("|---|---|---|---|---|---|")
    for task, own, peer, per, wanted in (
        ("FBP, 1 slice", "fbp", "iradon", 1, "3"),
        ("FBP, 1 slice", "fbp", "astra fbp", 1, "2"),
        (f"FBP, {n} slices", "fbp batch", "astra fbp", n, "4.5"),
        (f"FBP, {n} slices", "fbp batch", "iradon", n, ""),
        ("projection, 1 slice", "project", "astra project", 1, ""),
        (f"projection, {n} slices", "project batch", "astra project", n, "10"),
        ("adjoint, 1 slice", "adjoint", "astra adjoint", 1, ""),
        (f"adjoint, {n} slices", "adjoint batch", "astra adjoint", n, ""),
    ):
        ours, theirs = seconds[own], seconds[peer]
        ratio = statistics.median(per * b / a for a, b in zip(ours, theirs, strict=True))
        best = per * min(theirs) / min(ours)
        print(f"| {task} | {peer} | {min(ours) / per * 1e3:.1f} | {min(theirs) * 1e3:.1f} | "
              f"{ratio:.1f} ({best:.1f}) | {wanted} |")  # fmt: skip


def _jobs(size: int, views: int, slices: int) -> dict[str, Job]:
    geometry = parallel(views, bins=int(size * 1.44), pitch=1.0)
    grid = Grid((size, size), (1.0, 1.0))
    operator = Radon(geometry, grid)
    x = shepp_logan().image(grid)[None, None].float()
    y = operator(x)
    many, scans = x.repeat(slices, 1, 1, 1), y.repeat(slices, 1, 1, 1)
    # iradon wants as many bins as pixels; it throws the rest away anyway.
    cut = (geometry.bins - size) // 2
    columns = np.ascontiguousarray(y[0, 0, :, cut : cut + size].numpy().T)
    jobs: dict[str, Job] = {
        "iradon": lambda: iradon(columns, geometry.angles_deg, filter_name="ramp"),
        "fbp": lambda: fbp(y, geometry, grid),
        "fbp batch": lambda: fbp(scans, geometry, grid),
        "project": lambda: operator(x),
        "project batch": lambda: operator(many),
        "adjoint": lambda: operator.adjoint(y),
        "adjoint batch": lambda: operator.adjoint(scans),
    }
    return jobs | _astra(x[0, 0].numpy(), y[0, 0].numpy(), np.deg2rad(geometry.angles_deg))


def _astra(x: np.ndarray, y: np.ndarray, angles: np.ndarray) -> dict[str, Job]:
    space = astra.create_vol_geom(*x.shape)
    rays = astra.create_proj_geom("parallel", 1.0, y.shape[1], angles)
    projector = astra.create_projector("linear", rays, space)
    image, scan = (
        astra.data2d.create("-vol", space, x), astra.data2d.create("-sino", rays, y)
    )  # fmt: skip
    result = astra.data2d.create("-vol", space), astra.data2d.create("-sino", rays)

    def job(kind: str, names: dict[str, int]) -> Job:
        settings = astra.astra_dict(kind)
        settings["ProjectorId"] = projector
        for name, value in names.items():
            settings[name] = value
        number = astra.algorithm.create(settings)
        return lambda: astra.algorithm.run(number)

    back = {"ReconstructionDataId": result[0], "ProjectionDataId": scan}
    return {
        "astra fbp": job("FBP", back),
        "astra adjoint": job("BP", back),
        "astra project": job("FP", {"VolumeDataId": image, "ProjectionDataId": result[1]}),
    }


def _race(jobs: dict[str, Job], rounds: int) -> dict[str, list[float]]:
    for job in jobs.values():
        job()  # compiled, and memory touched
    seconds: dict[str, list[float]] = {name: [] for name in jobs}
    for _ in range(rounds):
        for name, job in jobs.items():
            began = time.perf_counter()
            job()
            seconds[name].append(time.perf_counter() - began)
    return seconds


if __name__ == "__main__":
    main()
