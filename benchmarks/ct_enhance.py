"""CT with more voxels or less noise, on a patient no training saw, in HU, slice by slice.

    python benchmarks/ct_enhance.py --data DATA [--only in-plane slices low-dose] [--trained FOLDER]
                                    [--volume CHEST.nii.gz] [--count 8] [--picture FILE.png]

Two patients: a chest (0.78 mm) and an abdomen with pelvis (3 mm). FOLDER holds weights by recipe
and by the patient they were trained on, ``ct-2d-x2-chest.safetensors``; each is tested on the
other patient. Without it the shipped ones run, which have seen both.

- in-plane: axial slices, two by two pixels averaged into one, back to twice the pixels. The
  abdomen's own pixels are 3 mm.
- slices: the patient at 3 mm between slices, two, three or four of them averaged into one of 6, 9
  or 12 mm, and back to 3 mm. The chest needs its contiguous slices (--volume), as the data folder
  has every tenth; pixels are 1.56 mm.
- low-dose: the slices of ``ct_cases.py`` in LoDoPaB-CT's geometry at 4096 and 30000 photons,
  filtered back-projection without and with Hann's window, as a scanner would hand them over.
  Gaussian filter, total variation and non-local means are each tuned *on the middle one of the
  slices they are measured on*, which favours them.

PSNR and SSIM over 4096 HU (-1024 to 3072), RMSE in HU; means over axial slices with 95 % bootstrap
intervals, and on how many slices ours is ahead of the best other. Bias in HU, 2 pixels inside each
tissue, and of air 4 pixels from anything else. Slices of one patient are alike, and two patients
are no clinical evidence.
"""

import argparse
import io
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import ct_cases
import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.ndimage import binary_erosion, gaussian_filter
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle
from torch import Tensor

from medacuity import formats
from medacuity.atomic import atomic_write
from medacuity.enhance import Settings, enhance
from medacuity.evaluate_statistics import bootstrap
from medacuity.metrics.ct import TISSUES, WINDOWS, bias, rmse, tissue, windowed
from medacuity.metrics.fidelity import psnr, ssim
from medacuity.physics.dose import low_dose
from medacuity.physics.fbp import fbp
from medacuity.physics.sampling import area, block_mean
from medacuity.resize import cubic, linear, resize
from medacuity.volume import Volume

OTHER = {"chest": "abdomen", "abdomen": "chest"}
SPAN = 4096.0
DOSES = (4096.0, 30_000.0)
KERNELS = {"Ram-Lak": ("ramp", 1.0), "Hann": ("hann", 1.0)}
Array = NDArray[np.float32]
Filter = Callable[[Array], Array]


class Task(NamedTuple):
    """A volume ``(I, J, K)`` in HU made worse, its truth, and who is shown what of it.

    Args:
        name: For the table.
        patient: Whose it is.
        recipe: Of the network.
        given: What methods get.
        truth: What they are compared with, axial slices along the last axis.
        others: Methods without learning.
    """

    name: str
    patient: str
    recipe: str
    given: Volume
    truth: Array
    others: Mapping[str, Callable[[], Array]]


def in_plane(data: Path, count: int, _: Path | None) -> Iterator[Task]:
    """Yield both patients' axial slices at half the resolution."""
    for patient in OTHER:
        volume = formats.read(data / ct_cases.PATIENTS[patient]).volumes[0]
        chosen = _spread(volume.shape[2], count)
        yield _coarser(f"in-plane x2, {patient}", patient, "ct-2d-x2",
                       _even(volume.array[:, :, chosen]), volume.spacing, (2, 2, 1))  # fmt: skip


def slices(data: Path, count: int, contiguous: Path | None) -> Iterator[Task]:
    """Yield both patients with slices of 6, 9 and 12 mm."""
    for patient in OTHER if contiguous else ["abdomen"]:
        path = contiguous if patient == "chest" else data / ct_cases.PATIENTS[patient]
        volume = formats.read(path).volumes[0]  # type: ignore[arg-type]
        x = _tensor(volume.array)
        if patient == "chest":
            x = resize(x, [x.shape[2] // 2, x.shape[3] // 2, x.shape[4] // 3], area)
        spacing = tuple(s * n / m for s, n, m in zip(
            volume.spacing, volume.shape, x.shape[2:], strict=True))  # fmt: skip
        thin = x[0, 0].numpy()
        first = max(0, (thin.shape[2] - 12 * count) // 2)
        for factor in (2, 3, 4):
            part = thin[..., first : first + 12 * min(count, (thin.shape[2] - first) // 12)]
            yield _coarser(f"{3 * factor} -> 3 mm, {patient}", patient, f"ct-slices-x{factor}",
                           part, spacing, (1, 1, factor))  # fmt: skip


def doses(data: Path, count: int, _: Path | None) -> Iterator[Task]:
    """Yield both patients at two doses, reconstructed in two ways."""
    for patient in OTHER:
        cases = ct_cases.load(data, patient, count=count)
        y = ct_cases.projected(cases.hu, ct_cases.GEOMETRY)
        for photons in DOSES:
            rng = torch.Generator().manual_seed(7)
            noisy = low_dose(y, photons=photons, rng=rng)
            for kernel, (window, cutoff) in KERNELS.items():
                mu = fbp(noisy, ct_cases.GEOMETRY, ct_cases.GRID, window=window, cutoff=cutoff)
                hu = ct_cases.WATER.to_hu(mu)[:, 0].movedim(0, 2).numpy()
                truth = cases.hu[:, 0].movedim(0, 2).numpy()
                pixel = ct_cases.GRID.spacing[0]
                given = Volume(hu, np.diag([pixel, pixel, 10.0, 1.0]), "HU")
                yield Task(f"{photons:.0f} photons, {kernel}, {patient}", patient, "ct-low-dose",
                           given, truth, _filters(hu, truth))  # fmt: skip


KINDS = {"in-plane": in_plane, "slices": slices, "low-dose": doses}


def _coarser(
    name: str, patient: str, recipe: str, truth: Array, spacing: tuple[float, ...],
    factor: tuple[int, int, int],
) -> Task:  # fmt: skip
    low = block_mean(_tensor(truth), factor=factor)
    grid = np.diag([*(s * f for s, f in zip(spacing, factor, strict=True)), 1.0])
    others = {
        kernel.__name__: partial(lambda k: resize(low, truth.shape, k)[0, 0].numpy(), kernel)
        for kernel in (linear, cubic)
    }
    return Task(name, patient, recipe, Volume(low[0, 0].numpy(), grid, "HU"), truth, others)


def _filters(hu: Array, truth: Array) -> dict[str, Callable[[], Array]]:
    """Return the input as it is, and filters that were tuned on these very slices."""
    noise = float((hu - truth).std())
    kinds: dict[str, list[Filter]] = {
        "Gaussian": [partial(gaussian_filter, sigma=s) for s in (0.5, 0.7, 1, 1.4, 2, 2.8)],
        "TV": [partial(denoise_tv_chambolle, weight=w * noise) for w in (0.3, 0.6, 1, 1.5, 2.2)],
        "non-local means": [
            partial(denoise_nl_means, h=h * noise, sigma=noise, patch_size=5, patch_distance=6)
            for h in (0.4, 0.7, 1)
        ],
    }
    found: dict[str, Callable[[], Array]] = {"input": lambda: hu}
    return found | {name: partial(_best, hu, truth, some) for name, some in kinds.items()}


def _best(hu: Array, truth: Array, filters: list[Filter]) -> Array:
    middle = hu.shape[2] // 2
    errors = [np.square(some(hu[..., middle]) - truth[..., middle]).mean() for some in filters]
    best = filters[int(np.argmin(errors))]
    return np.stack([best(hu[..., k]) for k in range(hu.shape[2])], axis=2)


def measure(made: Array, truth: Array) -> dict[str, NDArray[np.float64]]:
    """Return PSNR, SSIM and RMSE of every slice, and the bias of every tissue."""
    a, b = (torch.from_numpy(np.ascontiguousarray(x)).movedim(2, 0)[:, None].double()
            for x in (made, truth))  # fmt: skip
    shown, wanted = (windowed(x, WINDOWS["full"]) for x in (a, b))
    found = {"PSNR": psnr(shown, wanted, data_range=SPAN),
             "SSIM": ssim(shown, wanted, data_range=SPAN), "RMSE": rmse(a, b)}  # fmt: skip
    outside = binary_erosion(b[:, 0].numpy() < -950, np.ones((1, 9, 9)))[:, None]
    masks = {name: tissue(b, name) for name in TISSUES} | {"air": torch.from_numpy(outside)}
    every = {name: bias(a.flatten()[None], b.flatten()[None], mask=mask.flatten()[None])
             for name, mask in masks.items() if mask.sum() > 50}  # fmt: skip
    return {name: value.numpy() for name, value in (found | every).items()}


def run(task: Task, trained: Path | None) -> tuple[dict[str, Array], str]:
    """Return what every method made of it, ours last, and a table."""
    weights = task.recipe
    if trained:
        weights = str(trained / f"{task.recipe}-{OTHER[task.patient]}.safetensors")
    scale = [n / m for n, m in zip(task.truth.shape, task.given.shape, strict=True)]
    wish = Settings(weights=weights, scale=scale, device="cpu")
    made = {name: method() for name, method in task.others.items()}
    made["ours"] = np.asarray(enhance(task.given, wish).volume.array)
    figures = {name: measure(one, task.truth) for name, one in made.items()}
    return made, "\n".join(_rows(task, figures))


def _rows(task: Task, figures: Mapping[str, Mapping[str, NDArray[np.float64]]]) -> Iterator[str]:
    ours, others = figures["ours"]["RMSE"], [f["RMSE"] for n, f in figures.items() if n != "ours"]
    ahead = int((ours < np.min(others, axis=0)).sum())
    for name, found in figures.items():
        cells = [task.name, name]
        for what, digits in (("PSNR", 2), ("SSIM", 4), ("RMSE", 1)):
            spread = bootstrap(found[what], seed=0)
            cells.append(f"{found[what].mean():.{digits}f} ({spread[0]:.{digits}f} to "
                         f"{spread[1]:.{digits}f})")  # fmt: skip
        cells.append(f"{ahead} of {len(ours)}" if name == "ours" else "")
        cells += [f"{found[t][0]:+.1f}" if t in found else "-" for t in (*TISSUES, "air")]
        yield f"| {' | '.join(cells)} |"


def picture(task: Task, made: Mapping[str, Array], window: tuple[float, float]) -> bytes:
    """Draw the middle of a slice as every method has it, and the truth."""
    middle = task.truth.shape[2] // 2
    flat = task.recipe.startswith("ct-slices")
    shown = {**made, "truth": task.truth}
    figure = Figure(figsize=(2.6 * len(shown), 2.9), layout="constrained")
    for n, (name, x) in enumerate(shown.items(), start=1):
        axes = figure.add_subplot(1, len(shown), n)
        plane = x[x.shape[0] // 2].T[::-1] if flat else np.rot90(x[..., middle])
        rows, columns = plane.shape
        cut = plane[rows // 6 : rows - rows // 6, columns // 6 : columns - columns // 6]
        axes.imshow(plane if flat else cut, cmap="gray", vmin=window[0], vmax=window[1])
        axes.set_title(name, fontsize=9)
        axes.axis("off")
    figure.suptitle(f"{task.name}: {window[0]:.0f} to {window[1]:.0f} HU", fontsize=10)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _tensor(array: NDArray[np.generic]) -> Tensor:
    return torch.from_numpy(np.array(array, dtype=np.float32))[None, None]


def _even(array: NDArray[np.generic]) -> Array:
    x: Array = np.array(array[: len(array) // 2 * 2, : array.shape[1] // 2 * 2], dtype=np.float32)
    return x


def _spread(total: int, count: int) -> list[int]:
    return [int((n + 0.5) * total / count) for n in range(min(count, total))]


def main() -> None:
    """Print a table, and draw a picture of the last task of a kind."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--only", nargs="+", choices=list(KINDS), default=list(KINDS))
    parser.add_argument("--trained", type=Path)
    parser.add_argument("--volume", type=Path)
    parser.add_argument("--count", type=int, default=8)
    parser.add_argument("--picture", type=Path)
    args = parser.parse_args()
    print(
        f"| task | method | PSNR, dB | SSIM | RMSE, HU | ahead | {' | '.join((*TISSUES, 'air'))} |"
    )
    print("|---|---|---|---|---|---|" + "---|" * (len(TISSUES) + 1))
    for kind in args.only:
        for task in KINDS[kind](args.data, args.count, args.volume):
            made, table = run(task, args.trained)
            print(table, flush=True)
            if args.picture:
                name = task.name.replace(" ", "-").replace(",", "").replace(">", "")
                with atomic_write(
                    args.picture.with_name(f"{args.picture.stem}-{name}.png")
                ) as file:
                    file.write(picture(task, made, (-160.0, 240.0)))


if __name__ == "__main__":
    main()
