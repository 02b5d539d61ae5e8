"""The pictures of `pet.py`: a slice by every method, and regions against the truth."""

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray
from pet_cases import Image, Made, Patient
from pet_tables import CEILING, suvr

from medacuity.atomic import atomic_write


def save(path: Path, figure: Figure) -> None:
    """Write a picture."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=90)
    with atomic_write(path) as out:
        out.write(file.getvalue())


def maps(p: Patient, made: Mapping[str, Made], best: str) -> Figure:
    """Return an axial slice by every method, and half of the interval."""
    k = p.grid.shape[2] // 2
    shown: dict[str, tuple[Image, float, str]] = {"T1": (p.unit, 0.9, "gray")}
    shown |= {name: (image, 9.0, "gray_r") for name, (image, _) in made.items()}
    shown["true PET, one person"] = (p.pets[0].array, 9.0, "gray_r")
    half = made[best][1]
    if half is not None:
        shown["half of the 90 % interval"] = (half, 5.0, "magma")
    columns = -(-len(shown) // 2)
    figure = Figure(figsize=(2.3 * columns, 6.2), layout="constrained")
    every = figure.subplots(2, columns).flat
    for axes, (name, (array, high, colours)) in zip(every, shown.items(), strict=False):
        axes.imshow(array[:, :, k].T, cmap=colours, vmin=0, vmax=high, origin="lower")
        axes.set_title(name, fontsize=9)
    for axes in figure.axes:
        axes.axis("off")
    figure.suptitle(f"T1 to PET, {p.name} (not trained on); SUV, black is 9")
    return figure


def bland_altman(regions: Mapping[str, NDArray[np.float64]], best: str) -> Figure:
    """Return regional SUVR: ours against the truth, and their difference over their mean."""
    figure = Figure(figsize=(10, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, colour in ((CEILING, "0.6"), (best, "tab:red")):
        ours, true = (suvr(v) for v in regions[name])
        left.plot(true.ravel(), ours.ravel(), ".", color=colour, markersize=3, label=name)
        mean, off = ((ours + true) / 2).ravel(), (ours - true).ravel()
        right.plot(mean, off, ".", color=colour, markersize=3)
        middle, width = np.nanmean(off), 1.96 * np.nanstd(off)
        for height in (middle - width, middle, middle + width):
            right.axhline(height, color=colour, linewidth=1, linestyle="--")
    left.plot([0.4, 1.5], [0.4, 1.5], color="black", linewidth=0.7)
    left.set(xlabel="true SUVR of a structure", ylabel="made of T1")
    right.set(xlabel="mean of both", ylabel="made - true")
    left.legend(fontsize=8)
    figure.suptitle("Regional SUVR, test patients; dashed: bias and limits of agreement")
    return figure
