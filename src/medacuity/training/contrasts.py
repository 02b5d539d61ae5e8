"""Two contrasts of one patient: what translation learns from, as pairs or with pairing hidden.

A table names them (columns patient, split, licence, and one per contrast, such as T1 and T2), or
file names do: ``p7_T1.nii.gz`` belongs to ``p7_T2.nii.gz``.
"""

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import pad

from medacuity import formats
from medacuity.errors import StorageError, UnsafeGeometry, UsageError
from medacuity.foreground import TISSUE, foreground
from medacuity.formats import scans_in
from medacuity.formats.suv import in_suv
from medacuity.intensity import Fixed, Rule
from medacuity.regrid import onto, upright
from medacuity.training.cases import SPLITS, Case, check_split, split_by_name
from medacuity.training.cells import read_cells
from medacuity.training.degraded import THICK, around_the_head, read_scan
from medacuity.volume import Volume

ABOUT = ("patient", "split", "licence")
LEAST = 0.25  # of the mean brightness: slices below it show no head
NO_SUV = 100.0  # few voxels of a scan reach it in SUV: those of a bladder, at most
ELSEWHERE, COVERED = 0.3, 0.95  # share of a head inside the other scan: no pair; a whole one


@dataclass(frozen=True)
class Contrasts:
    """Which contrast goes in, which comes out, and on what grid both are looked at.

    Args:
        given: Name of the contrast that goes in: a column of the table, a part of file names.
        wanted: Name of the contrast that comes out.
        spacing: mm between voxels; along thick slices the scan's own is kept.
        unit: Of the wanted values, such as SUV.
        scale: Their map to the unit range, where they have a unit; None: by their brightness.
        around: Slices on either side that a 2D network is shown beside each, as channels.
    """

    given: str
    wanted: str
    spacing: float = 1.0
    unit: str = "a.u."
    scale: Fixed | None = None
    around: int = 0


def find_contrasts(data: Path, table: Path | None, contrasts: Contrasts) -> list[Case]:
    """Return the patients that have both contrasts.

    Raises:
        UsageError: No patient has both, or the table lacks a column.
    """
    if not data.is_dir():
        raise StorageError("the folder of training scans does not exist", path=data)
    cases = _listed(data, table, contrasts) if table else _named(data, contrasts)
    if not cases:
        raise UsageError(
            f"no patient below {data} has both {contrasts.given} and {contrasts.wanted}; name "
            f"files alike but for the contrast, or list them with --cases"
        )
    check_split(cases)
    return cases


def make_contrasts(
    case: Case, *, contrasts: Contrasts, intensity: Rule, dims: int
) -> tuple[Tensor, Tensor]:
    """Return both contrasts of a patient on one grid, each in the unit range.

    Both are resampled once, onto a grid at the wanted spacing whose axes point to the right,
    the front and the head; the slices of 2D are axial. Where the head reaches beyond the second
    scan, both are cut to what that covers, with a warning: beyond it nothing is known.

    Shape:
        2D: ``(N, 1, H, W)`` each, for N slices; ``(N, 1 + 2 around, H, W)`` for what goes in.
        3D: ``(1, 1, D, H, W)``.

    Raises:
        UsageError: What is wanted is in another unit than the network is to give.
        UnsafeGeometry: The two scans hardly overlap.
    """
    if case.target is None:
        raise UsageError(f"{case.path} has no scan of the wanted contrast beside it")
    given, wanted = read_scan(case.path), _read_wanted(case.target, contrasts)
    grid = upright(given, _spacing(given, contrasts.spacing, dims))
    a = _unit(onto(given, grid), intensity, dims)
    b = _unit(onto(wanted, grid), contrasts.scale or intensity, dims)
    everywhere = wanted.with_array(np.ones(wanted.shape, np.float32))
    a, b = _covered(a, b, _axial(onto(everywhere, grid).array, dims) > 0.5, case)
    if dims == 2:
        inside = a.flatten(1).mean(1) > LEAST * a.mean()
        a, b = beside(a, contrasts.around)[inside], b[inside]
    return around_the_head(a, b, (1,) * dims)


def beside(slices: Tensor, around: int) -> Tensor:
    """Return slices with their neighbours as channels; the outermost stand for those beyond.

    Example:
        >>> beside(torch.tensor([1.0, 2.0, 3.0]).reshape(3, 1, 1, 1), 1)[:, :, 0, 0]
        tensor([[1., 1., 2.],
                [1., 2., 3.],
                [2., 3., 3.]])
    """
    places = torch.arange(len(slices))
    shown = [
        slices[(places + step).clamp(0, len(slices) - 1)] for step in range(-around, around + 1)
    ]
    return torch.cat(shown, 1)


def _read_wanted(path: Path, contrasts: Contrasts) -> Volume:
    """Return a scan in the unit the network is to give; where files say none, tell by size."""
    scan = read_scan(path)
    if contrasts.unit != "SUV":
        return scan
    if scan.unit not in ("SUV", "a.u."):
        scan = in_suv(formats.read(path))[0]
        _say_converted(contrasts.wanted)
    high = float(np.percentile(scan.array, 99.5))
    if high > NO_SUV:
        raise UsageError(
            f"{contrasts.wanted} must be in SUV and reaches {high:.0f}, more than SUV can be (is "
            "it in Bq/ml?): name its DICOM series, which tells dose and weight, or convert it as "
            "medacuity.physics.pet.suv does (SUV = Bq/ml x weight in g / dose in Bq at the time of "
            "the scan)",
            path=path,
        )
    return scan


@cache
def _say_converted(wanted: str) -> None:
    """Say it once, however many scans there are: reading DICOM makes Python forget what it said."""
    warnings.warn(
        f"{wanted} is converted to SUV by the weight, dose and times of its DICOM headers",
        stacklevel=2,
    )


def _covered(a: Tensor, b: Tensor, field: Tensor, case: Case) -> tuple[Tensor, Tensor]:
    """Cut both contrasts to the field of view of the second, where a head reaches beyond it.

    Zeros beyond a field of view are no values: a network would learn them.
    """
    head = a > TISSUE
    share = float(field[head].float().mean()) if head.any() else 1.0
    if share < ELSEWHERE:
        raise UnsafeGeometry(
            f"the two scans of a patient must lie on each other, and {share:.0%} of what this one "
            f"shows lies inside {case.target}: register them, or correct their affines",
            path=case.path,
        )
    if share >= COVERED:
        return a, b
    warnings.warn(
        f"{case.path}: {share:.0%} of what it shows lies inside {case.target}; both are cut to "
        "what they share",
        stacklevel=3,
    )
    box = foreground(field.numpy(), above=0.5, margin=[0] * a.ndim)
    return (a * field)[box], b[box]


def _spacing(scan: Volume, spacing: float, dims: int) -> tuple[float | None, ...]:
    thick = max(scan.spacing) > THICK * min(scan.spacing)
    return (spacing, spacing, None if dims == 2 and thick else spacing)


def _unit(scan: Volume, intensity: Rule, dims: int) -> Tensor:
    return _axial(intensity.of(scan.array).to_unit(scan.array), dims)


def _axial(array: NDArray[np.float32], dims: int) -> Tensor:
    x = torch.from_numpy(array)
    return x.movedim(2, 0)[:, None] if dims == 2 else x[None, None]


def make_apart(
    case: Case, *, contrasts: Contrasts, intensity: Rule, dims: int
) -> tuple[Tensor, Tensor]:
    """Return scans of two patients, each on its own grid, the second cut or padded to fit.

    Shape:
        As `make_contrasts`; there are as many slices as the first has.
    """
    if case.target is None:
        raise UsageError(f"{case.path} has no scan of the wanted contrast beside it")
    sides = []
    for path, rule in ((case.path, intensity), (case.target, contrasts.scale or intensity)):
        scan = _read_wanted(path, contrasts) if path == case.target else read_scan(path)
        x = _unit(onto(scan, upright(scan, _spacing(scan, contrasts.spacing, dims))), rule, dims)
        if dims == 2:
            x = x[x.flatten(1).mean(1) > LEAST * x.mean()]
        sides.append(around_the_head(x, x, (1,) * dims)[0])
    a, b = sides
    places = torch.linspace(0, len(b) - 1, len(a)).round().long()
    return a, _of_size(b[places], a.shape[2:])


def _of_size(x: Tensor, size: Sequence[int]) -> Tensor:
    """Cut or pad the middle of images to a size; beyond is air."""
    pads = []
    for have, want in zip(x.shape[2:], size, strict=True):
        before = (want - have) // 2
        pads.append((before, want - have - before))
    return pad(x, [n for ends in reversed(pads) for n in ends])


def rows_of(table: Path) -> list[dict[str, str]]:
    """Return the rows of a table of pairs by the names of its columns, as `read_cells` does."""
    return [row for _, row in read_cells(table)]


def _listed(data: Path, table: Path, contrasts: Contrasts) -> list[Case]:
    rows = read_cells(table)
    needed = ("patient", contrasts.given, contrasts.wanted)
    missing = [column for column in needed if rows and column not in rows[0][1]]
    if missing:
        raise UsageError(f"{table} needs the columns {', '.join(needed)}; missing: {missing}")
    for name in (contrasts.given, contrasts.wanted):
        if empty := [n for n, row in rows if not row[name]]:
            warnings.warn(
                f"{table}: {len(empty)} of {len(rows)} rows left out: no {name}", stacklevel=4
            )
    return [
        _from_row(data, row, contrasts, f"{table}, line {n}")
        for n, row in rows
        if row[contrasts.given] and row[contrasts.wanted]
    ]


def _from_row(data: Path, row: dict[str, str], contrasts: Contrasts, place: str) -> Case:
    split = row.get("split", split_by_name(row["patient"] or ""))
    if not row["patient"] or split not in SPLITS:
        raise UsageError(
            f"{place}: patient must be filled in, and split be {', '.join(SPLITS)}; got "
            f"{row['patient']!r} and {split!r}"
        )
    given, wanted = (data / row[name] for name in (contrasts.given, contrasts.wanted))
    for path in (given, wanted):
        if not path.exists():
            raise StorageError(f"named in {place} but not there", path=path)
    licence = row.get("licence") or "unknown"
    return replace(Case(given, row["patient"], split, licence), target=wanted)


def _named(data: Path, contrasts: Contrasts) -> list[Case]:
    scans = {path.relative_to(data).as_posix(): path for path in scans_in(data)}
    token = re.compile(rf"(?<![A-Za-z0-9]){re.escape(contrasts.given)}(?![0-9])", re.IGNORECASE)
    cases = []
    for name, path in scans.items():
        other = scans.get(token.sub(contrasts.wanted, name))
        if token.search(name) and other is not None and other != path:
            patient = re.split(r"[/_.]", name)[0]
            cases.append(Case(path, patient, split_by_name(patient), target=other))
    return cases
