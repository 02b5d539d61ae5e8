"""``medacuity synthesize``: a scan of one contrast in, the same kind of file of another out.

- NIfTI, DICOM, NRRD, MHA and PNG come out as they went in, in the same place, marked.
- A folder gets a name that says SYNTHETIC; the sidecar, the header and stderr say it too.
- Wishes that cannot be met are one line and a documented code, and leave nothing behind.
- Weights that do not enhance are refused by ``enhance``, with the command to use instead; the
  lists of weights know them.
"""

import json
import shutil

import numpy as np
import pydicom.data
import pytest
from PIL import Image

from medacuity import formats
from medacuity.checkpoint import Images, rule_as_json
from medacuity.cli import main
from medacuity.formats import Source
from medacuity.intensity import Fixed
from medacuity.volume import Volume
from translator_makers import unet


@pytest.fixture
def desk(tmp_path):
    """Return a folder with a scan in every kind of file, and weights."""
    at = np.meshgrid(*[np.linspace(-1, 1, n) for n in (19, 17, 3)], indexing="ij")
    array = (900 * np.exp(-3 * sum(a**2 for a in at))).astype(np.int16)
    affine = np.diag([-0.7, -0.7, 4.0, 1.0])
    volume = Volume(array, affine)
    made = Source(tmp_path / "made", (volume,), None, "")
    for name in ("t1.nii.gz", "t1.nrrd", "t1.mha"):
        formats.write(tmp_path / name, [volume], like=made)
    frames = [volume, Volume(array[::-1], affine)]
    formats.write(tmp_path / "4d.nii", frames, like=made)
    Image.fromarray((array[:, :, 1].T // 4).astype(np.uint8)).save(tmp_path / "t1.png")
    Image.new("RGB", (8, 8), (9, 99, 9)).save(tmp_path / "rgb.png")
    (tmp_path / "series").mkdir()
    one = pydicom.data.get_testdata_file("MR_small.dcm", download=False)
    shutil.copy(str(one), tmp_path / "series" / "1.dcm")
    unet(tmp_path, spacing=[1.0, 1.0])
    suv = rule_as_json(Fixed(0.0, 20.0))
    unet(tmp_path, name="pet", output=Images("PET", "SUV"), output_intensity=suv)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "result"),
    [
        ("t1.nii.gz", "o.nii.gz"), ("t1.nrrd", "o.nrrd"), ("t1.mha", "o.mha"), ("t1.png", "o.png"),
        ("4d.nii", "o.nii"), ("series", "o"), ("series/1.dcm", "o.dcm"), ("series", "o.zip"),
    ],
)  # fmt: skip
def test_the_same_kind_comes_out_in_the_same_place(desk, capsys, name, result):
    weights = str(desk / "t1-t2.safetensors")
    words = ["synthesize", str(desk / name), "--to", "t2", "-o", str(desk / result)]
    assert main([*words, "--model", weights, "--json"]) == 0
    said = capsys.readouterr()
    source, made = formats.read(desk / name), formats.read(desk / result)
    assert len(made.volumes) == len(source.volumes)
    for before, after in zip(source.volumes, made.volumes, strict=True):
        assert after.shape == before.shape
        np.testing.assert_allclose(after.affine, before.affine, atol=1e-6)
        assert after.array.dtype == before.array.dtype
        assert not np.array_equal(after.array, before.array)
    assert made.synthetic
    assert json.loads(said.out)["synthetic"] is True
    assert said.err.startswith("SYNTHETIC T2, made of T1")
    assert f"written: {desk / result}" in said.err
    sidecar = desk / f"{result.split('.')[0]}.json"
    assert json.loads(sidecar.read_text())["label"] == "SYNTHETIC T2"


@pytest.mark.parametrize(
    ("name", "result"),
    [("t1.nii.gz", "t1_SYNTHETIC-t2.nii.gz"), ("series/1.dcm", "1_SYNTHETIC-t2.dcm"),
     ("series", "series_SYNTHETIC-t2")],
)  # fmt: skip
def test_in_a_folder_the_name_says_it(desk, capsys, name, result):
    folder = desk / "results"
    folder.mkdir()
    (folder / "mine.txt").write_text("x")
    words = ["synthesize", str(desk / name), "-o", str(folder), "--model"]
    assert main([*words, str(desk / "t1-t2.safetensors")]) == 0
    assert formats.read(folder / result).synthetic
    assert str(folder / result) in capsys.readouterr().err


def test_a_series_fills_an_empty_folder(desk):
    (desk / "empty").mkdir()
    words = ["synthesize", str(desk / "series"), "-o", str(desk / "empty"), "--model"]
    assert main([*words, str(desk / "t1-t2.safetensors")]) == 0
    assert [p.name for p in (desk / "empty").iterdir()] == ["IM-0001.dcm"]


def test_a_unit_of_its_own_is_kept_exactly(desk):
    words = ["synthesize", str(desk / "t1.nii.gz"), "-o", str(desk / "pet.nii.gz"), "--to", "PET"]
    assert main([*words, "--model", str(desk / "pet.safetensors")]) == 0
    array = formats.read(desk / "pet.nii.gz").volumes[0].array
    assert array.dtype == np.float32
    assert np.abs(array - np.rint(array)).max() > 0.1
    assert json.loads((desk / "pet.json").read_text())["unit"] == "SUV"


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["synthesize", "t1.nii.gz", "-o", "o.nii.gz"], 2, "--to is missing"),
        (["synthesize", "t1.nii.gz", "-o", "o.nii.gz", "--to", "petrol"], 2, "petrol"),
        (["synthesize", "t1.nii.gz", "-o", "o.nii.gz", "--model", "mri-2d-x2"], 2,
         "medacuity enhance --model mri-2d-x2"),
        (["synthesize", "t1.nii.gz", "-o", "o.nii.gz", "--to", "t1", "--model",
          "t1-t2.safetensors"], 2, "T1 to T2"),
        (["synthesize", "rgb.png", "-o", "o.png", "--model", "t1-t2.safetensors"], 2, "grey"),
        (["synthesize", "series", "-o", "o", "--model", "pet.safetensors"], 2, "SUV"),
        (["synthesize", "t1.png", "-o", "o.png", "--model", "pet.safetensors"], 2, "SUV"),
        (["synthesize", "t1.png", "-o", "o.png", "--model", "t1-t2.safetensors", "--strict"], 10,
         "a picture"),
        (["synthesize", "t1.nii.gz", "-o", "t1.nii.gz", "--model", "t1-t2.safetensors"], 7,
         "never overwritten"),
        (["synthesize", "none.nii", "-o", "o.nii", "--model", "t1-t2.safetensors"], 7, "none.nii"),
        (["synthesize", "t1.nii.gz", "-o", "o.nii.gz", "--model", "t1.nii.gz"], 6, "safetensors"),
        (["synthesize", "t1.nii.gz", "-o", "o.nii.gz", "--model", "t1-t2.safetensors",
          "--device", "tpu"], 2, "tpu"),
        (["enhance", "t1.nii.gz", "-o", "o.nii.gz", "--model", "t1-t2.safetensors"], 2,
         "medacuity synthesize --model t1-t2.safetensors"),
    ],
)  # fmt: skip
def test_refusals_are_one_line_with_a_code_and_leave_nothing(
    desk, monkeypatch, capsys, words, code, said
):
    monkeypatch.chdir(desk)
    before = {p: p.read_bytes() for p in desk.rglob("*") if p.is_file()}
    assert main(words) == code
    told = capsys.readouterr().err.strip()
    assert len(told.splitlines()) == 1
    assert f"error {code}" in told
    assert said in told
    assert {p: p.read_bytes() for p in desk.rglob("*") if p.is_file()} == before


def test_lists_of_weights_know_translators(desk, monkeypatch, capsys):
    files = {"t1-t2": desk / "t1-t2.safetensors"}
    for module in ("choose", "selftest"):
        monkeypatch.setattr(f"medacuity.{module}.shipped", lambda: files)
    assert main(["models", "list"]) == 0
    assert "t1-t2                T1 to T2  T2 of T1" in capsys.readouterr().out
    assert main(["models", "info", str(files["t1-t2"])]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["purpose"], told["output"]["contrast"]) == ("synthesize", "T2")
    assert main(["doctor"]) == 0
    assert "ok   t1-t2: T1 to T2: runs, CC0" in capsys.readouterr().out
