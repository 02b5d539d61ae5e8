"""The scans that no training of ours saw: whose, from where, and how they are oriented."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from medacuity import formats
from medacuity.volume import Volume, world_order

CASES = Path(__file__).parent.parent / "src/medacuity/training/recipes/mri_cases.csv"
IXI = ("IXI039-HH-1261", "IXI206-HH-1650", "IXI335-HH-1906", "IXI484-HH-2179")


class Scan(NamedTuple):
    """A scan in the order right-left, front-back, head-foot."""

    name: str
    group: str
    volume: Volume


def scans(data: Path) -> Iterator[Scan]:
    """Yield every held-out scan below ``data``: four scanners' worth, research and clinical."""
    with CASES.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["split"] == "test"]
    for row in rows:
        name = Path(row["path"]).name.split(".")[0]
        group = "OASIS 1 mm T1" if "oasis" in row["path"] else "open_ms"
        yield Scan(name, group, _axial(data / row["path"]))
    for name in IXI:
        yield Scan(name, "IXI 2 mm T1", _axial(data / f"bulk/mri/ixi_2mm/{name}_T1.nii.gz"))
    yield Scan("GE 1.5 T PD", "DICOM", _axial(data / "bulk/mri/dicom_ge1.5T_PD"))


def middle(volume: Volume, slices: int, multiple: int = 1) -> Volume:
    """Keep the middle slices, and sizes in the plane that are multiples."""
    i, j, k = volume.shape
    first = max(0, (k - slices) // 2)
    part = volume.array[: i // multiple * multiple, : j // multiple * multiple, first:][
        :, :, :slices
    ]
    start = np.eye(4)
    start[2, 3] = first
    return Volume(np.ascontiguousarray(part), volume.affine @ start, volume.unit)


def _axial(path: Path) -> Volume:
    volume = formats.read(path).volumes[0]
    order = world_order(volume.affine)
    columns = [*order, 3]
    array = np.ascontiguousarray(volume.array.transpose(order), dtype=np.float32)
    return Volume(array, volume.affine[:, columns], volume.unit)
