"""What a hospital's DICOM is to those who go from MRI to PET.

- A table of MR and PET series is learnt from in SUV, which is said once; what a header lacks stops
  the run with its attribute's name; NIfTI in Bq/ml is refused with the way out.
- An MR series becomes a PET in NIfTI, at the same place; DICOM, which would claim the MR's unit,
  is refused in one line that says so.
"""

import re
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dicom_makers as make
import numpy as np
import pytest
from numpy.typing import NDArray

from medacuity import formats
from medacuity.cli import main
from medacuity.formats.suv import in_suv
from medacuity.intensity import Percentile
from medacuity.models import FineUNet
from medacuity.training import contrasts
from medacuity.training.cases import Case
from medacuity.training.contrasts import Contrasts, make_apart, make_contrasts
from medacuity.training.recipes import RECIPES

INJECTED = {
    "RadionuclideTotalDose": 365e6,
    "RadionuclideHalfLife": 6586.2,
    "RadiopharmaceuticalStartTime": "110100",
}
PET = Contrasts("T1", "PET", spacing=2.0, unit="SUV")


def head(seed: int) -> NDArray[Any]:
    """Return a bright, grainy cylinder ``(slices, rows, columns)``."""
    rng = np.random.default_rng(seed)
    y, x = np.ogrid[-1:1:32j, -1:1:32j]
    return (x**2 + y**2 < 0.6) * rng.uniform(400, 600, (12, 32, 32))


def mr(folder: Path, seed: int = 0) -> Path:
    return make.save(make.slices(head(seed).astype(np.int16), spacing=(5.0, 5.0)), folder)


def pet(folder: Path, seed: int = 0, **values: Any) -> Path:
    made = make.slices((40 * head(seed)).astype(np.int16), kind=make.PT, spacing=(5.0, 5.0))
    for header in made:
        header.PatientWeight = 73.0
        make.filled(header.RadiopharmaceuticalInformationSequence[0], INJECTED)
        make.filled(header, values)
    return make.save(made, folder)


@pytest.fixture
def table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a table of three patients, and make the network that learns from it small."""
    recipe = RECIPES["synth"]
    model = partial(FineUNet, **{**recipe.model.keywords, "width": 2, "depth": 2, "fine": 2})
    small = replace(recipe, model=model, patch=(16, 16), batch=2)
    monkeypatch.setitem(RECIPES, "synth", small)
    rows = ["patient,T1,PET"]
    for n in range(3):
        mr(tmp_path / f"mr{n}", n), pet(tmp_path / f"pet{n}", n)
        rows.append(f"p{n},mr{n},pet{n}")
    path = tmp_path / "pairs.csv"
    path.write_text("\n".join(rows) + "\n")
    contrasts._say_converted.cache_clear()
    return path


def train(table: Path) -> int:
    out = str(table.parent / "run")
    return main(["train", "synth", "--data", str(table), "-o", out, "--steps", "2"])


@pytest.mark.filterwarnings("default:.*converted to SUV")
def test_pairs_of_dicom_are_learnt_from_in_suv(table: Path, capsys: Any) -> None:
    assert train(table) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if "converted" in line]
    assert len(lines) == 1
    assert "PET is converted to SUV by the weight, dose and times" in lines[0]
    assert (table.parent / "run" / "synth.safetensors").exists()


@pytest.mark.filterwarnings("default:.*converted to SUV")
@pytest.mark.parametrize("made", [make_contrasts, make_apart])
def test_what_is_learnt_is_the_uptake(tmp_path: Path, made: Any) -> None:
    case = Case(mr(tmp_path / "mr"), "p", "train", target=pet(tmp_path / "pet"))
    assert case.target is not None
    plain = replace(PET, scale=None, unit="a.u.")
    (a, suv), (b, raw) = (made(case, contrasts=c, intensity=Percentile(), dims=2)
                          for c in (PET, plain))  # fmt: skip
    assert np.allclose(a, b)
    assert np.allclose(suv, raw, rtol=1e-5, atol=1e-6)  # brightness alone is the same either way
    source = formats.read(case.target)
    scaled = replace(PET, scale=contrasts.Fixed(0, 12))
    _, uptake = made(case, contrasts=scaled, intensity=Percentile(), dims=2)
    assert float(uptake.max()) * 12 == pytest.approx(float(in_suv(source)[0].array.max()), rel=0.1)


@pytest.mark.filterwarnings("default:.*converted to SUV")
def test_a_header_without_a_weight_stops_it(table: Path, tmp_path: Path, capsys: Any) -> None:
    pet(tmp_path / "light", PatientWeight=None)
    table.write_text(table.read_text().replace("pet1", "light"))
    assert train(table) == 3
    last = capsys.readouterr().err.splitlines()[-1]
    assert "PatientWeight" in last
    assert "73" not in last


def test_bq_in_nifti_is_refused_with_the_way_out(table: Path, tmp_path: Path, capsys: Any) -> None:
    source = formats.read(tmp_path / "pet0")
    formats.write(tmp_path / "bq.nii.gz", source.volumes, like=source)
    table.write_text(re.sub(r"pet\d", "bq.nii.gz", table.read_text()))
    assert train(table) == 2
    last = capsys.readouterr().err.splitlines()[-1]
    assert "name its DICOM series" in last
    assert "medacuity.physics.pet.suv" in last


def test_an_mr_series_becomes_a_pet_at_its_place(tmp_path: Path, capsys: Any) -> None:
    folder, out = mr(tmp_path / "t1"), tmp_path / "pet.nii.gz"
    assert main(["synthesize", str(folder), "--to", "pet", "-o", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "in SUV" in line
    assert "*.nii.gz" in line
    assert not (tmp_path / "out").exists()
    assert main(["synthesize", str(folder), "--to", "pet", "-o", str(out)]) == 0
    made, given = formats.read(out), formats.read(folder)
    assert made.synthetic
    assert made.volumes[0].shape == given.volumes[0].shape
    assert np.allclose(made.volumes[0].affine, given.volumes[0].affine, atol=1e-3)
    assert (tmp_path / "pet_uncertainty.nii.gz").exists()
