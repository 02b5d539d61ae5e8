"""Commands: what goes in, what comes out, one line and a documented code when it does not."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest
from PIL import Image

from medacuity.checkpoint import Card, save_weights
from medacuity.cli import main
from medacuity.cli.talk import bytes_of, numbers
from medacuity.errors import UsageError
from medacuity.models import ESPCN, VDSR


@pytest.fixture
def head(tmp_path):
    """A small NIfTI of smooth blobs, 16 bit."""
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in (32, 28, 8)], indexing="ij")
    array = 900 * np.exp(-3 * sum(a**2 for a in axes))
    path = tmp_path / "head.nii.gz"
    nib.save(nib.Nifti1Image(array.astype(np.int16), np.diag([-1, 1, 3, 1.0])), path)
    return path


def test_degrade_then_enhance_keeps_kind_place_and_dtype(head, tmp_path, capsys):
    low, high = tmp_path / "low.nii.gz", tmp_path / "high.nii.gz"
    assert main(["degrade", "kspace", str(head), "-o", str(low), "--factor", "2x2x1"]) == 0
    assert main(["enhance", str(low), "-o", str(high), "--model", "sinc", "--scale", "2x2x1"]) == 0
    first, last = nib.load(head), nib.load(high)
    assert last.shape == first.shape
    assert last.get_data_dtype() == np.int16
    np.testing.assert_allclose(last.affine, first.affine, atol=1e-5)
    assert json.loads((tmp_path / "high.json").read_text())["method"] == "sinc"
    assert "resampled by sinc" in capsys.readouterr().err


@pytest.fixture
def photo(tmp_path):
    """Return weights for x2 to x4 that add nothing: the luma comes out bicubic, like colour."""
    arguments = {"scale": [2, 2], "dims": 2, "width": 2, "layers": 2}
    model = VDSR(**arguments)
    for weight in model.parameters():
        weight.data.zero_()
    card = Card("vdsr-photo", "VDSR", arguments, {"kind": "picture"}, scales=[[3, 3], [4, 4]])
    path = tmp_path / "vdsr-photo.safetensors"
    save_weights(path, model, card)
    return path


@pytest.mark.parametrize("size", [(32, 24), (31, 17), (1, 9), (9, 1)])
@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "I;16"])
def test_pictures_come_out_as_they_went_in(photo, tmp_path, mode, size):
    rng = np.random.default_rng(0)
    channels = {"RGB": 3, "RGBA": 4, "LA": 2}.get(mode, 1)
    small = np.linspace(40, 200, size[1])[:, None, None] + 20 * rng.random((*size[::-1], channels))
    pixels = 256 * small.astype(np.uint16) if mode == "I;16" else small.astype(np.uint8)
    Image.fromarray(pixels[..., 0] if channels == 1 else pixels).save(tmp_path / "in.png")
    for factor in (2, 3):
        words = ["enhance", str(tmp_path / "in.png"), "-o", str(tmp_path / "out.png")]
        assert main([*words, "--model", str(photo), "--scale", str(factor)]) == 0
        with Image.open(tmp_path / "out.png") as result:
            assert result.mode == mode
            larger = tuple(n if n == 1 else factor * n for n in size)
            assert result.size == larger
            for band, plane in zip(result.split(), np.moveaxis(pixels, 2, 0), strict=True):
                plain = Image.fromarray(plane.astype(np.float32)).resize(larger, Image.BICUBIC)
                level = 256 if mode == "I;16" else 1
                off = np.asarray(band, np.float64) - np.asarray(plain)
                inner = tuple(slice(6, -6) if n > 12 else slice(None) for n in off.shape)
                assert np.abs(off[inner]).max() <= (1.5 if min(size) > 1 else 12) * level


def test_findings_go_to_stdout_and_talk_to_stderr(head, tmp_path, capsys):
    out = str(tmp_path / "o.nii.gz")
    assert (
        main(["enhance", str(head), "-o", out, "--model", "cubic", "--scale", "2", "--report"]) == 0
    )
    said = capsys.readouterr()
    assert json.loads(said.out)["size"] == [64, 56, 16]


def test_evaluate_writes_tables_and_pictures(head, tmp_path, capsys):
    folder, out = tmp_path / "truth", tmp_path / "report"
    folder.mkdir()
    for n in range(1):
        (folder / f"case{n}.nii.gz").write_bytes(head.read_bytes())
    code = main(["evaluate", str(folder), "-o", str(out), "--method", "linear", "--method", "sinc",
                 "--factor", "2x2x1", "--protocol", "volume"])  # fmt: skip
    assert code == 0
    assert {p.name for p in out.iterdir()} >= {"table.md", "cases.csv", "case0.png"}
    assert "sinc" in capsys.readouterr().out


def _listens(pid, number):
    """Tell whether a process has put up its handler for a signal."""
    status = Path(f"/proc/{pid}/status").read_text()
    caught = next(line for line in status.splitlines() if line.startswith("SigCgt"))
    return bool(int(caught.split()[1], 16) >> (number - 1) & 1)


@pytest.mark.parametrize("name", ["paper", "volume", "gaussian3d", "head", "slices"])
def test_every_protocol_measures(tmp_path, capsys, name):
    axes = np.meshgrid(*[np.linspace(-1, 1, n) for n in (32, 28, 14)], indexing="ij")
    array = 200 * np.exp(-3 * sum(a**2 for a in axes))
    nib.save(nib.Nifti1Image(array.astype(np.uint8), np.eye(4)), tmp_path / "ball.nii")
    arguments = ["evaluate", str(tmp_path), "--method", "cubic", "--factor", "2x2x1", "--json"]
    assert main([*arguments, "--protocol", name]) == 0
    assert "psnr" in capsys.readouterr().out


def test_an_evaluation_that_refused_a_case_says_so_with_9(head, tmp_path, capsys):
    (head.parent / "torn.nii.gz").write_bytes(head.read_bytes()[:200])
    arguments = ["evaluate", str(tmp_path), "--method", "cubic", "--protocol", "volume"]
    assert main([*arguments, "--factor", "2x2x1"]) == 9
    assert "torn" in capsys.readouterr().err


def test_asked_to_end_it_leaves_nothing_behind(tmp_path):
    source = tmp_path / "big.nii"
    nib.save(nib.Nifti1Image(np.ones((200, 200, 120), np.float32), np.eye(4)), source)
    command = [sys.executable, "-m", "medacuity", "enhance", str(source), "-o",
               str(tmp_path / "out.nii.gz"), "--model", "cubic", "--scale", "2"]  # fmt: skip
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    while not _listens(process.pid, signal.SIGTERM):
        time.sleep(0.05)
    process.terminate()
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 130, said
    assert [p.name for p in tmp_path.iterdir()] == ["big.nii"]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["enhance"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--sclae", "2"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--scale", "0"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--scale", "two"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--memory", "much"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--model", "mri-9d"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--model", "none.safetensors"], 7),
        (["enhance", "missing.nii", "-o", "OUT.nii.gz"], 7),
        (["enhance", "IN", "-o", "IN"], 7),
        (["enhance", "IN", "-o", "nowhere/out.nii.gz"], 7),
        (["enhance", "IN", "-o", "OUT.jpg"], 2),
        (["enhance", "TEXT", "-o", "OUT.nii.gz"], 3),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--model", "TEXT"], 6),
        (["degrade", "melt", "IN", "-o", "OUT.nii.gz"], 2),
        (["degrade", "kspace", "IN", "-o", "OUT.nii.gz", "--factor", "0.5"], 2),
        (["train", "no-such", "--data", "."], 2),
        (["resume", "nowhere"], 7),
        (["models", "info", "nothing"], 2),
        (["evaluate", "missing"], 7),
        (["evaluate", "IN", "--method", "nothing"], 2),
        (["evaluate", "IN", "--factor", "1.3"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--device", "tpu"], 2),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--model", "PHOTO", "--strict"], 10),
        (["enhance", "IN", "-o", "OUT.nii.gz", "--scale", "2x2x0.5", "--consistent"], 2),
        (["degrade", "slice-profile", "IN", "-o", "OUT.nii.gz", "--thickness", "0"], 2),
        (["nonsense"], 2),
    ],
)
def test_refusals_are_one_line_with_a_code_and_leave_nothing(
    head, photo, tmp_path, capsys, arguments, code
):
    text = tmp_path / "text.nii"
    text.write_text("not a scan")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    places = {"IN": head, "TEXT": text, "PHOTO": photo, "OUT": tmp_path / "out"}
    words = [str(places.get(a, a)).replace("OUT", str(tmp_path / "out")) for a in arguments]
    assert main(words) == code
    said = capsys.readouterr().err.strip()
    assert len(said.splitlines()) == 1
    assert f"error {code}" in said
    assert {p: p.read_bytes() for p in tmp_path.iterdir()} == before


def test_a_fault_of_ours_is_70_and_an_interrupt_130(head, tmp_path, monkeypatch, capsys):
    import medacuity.formats as formats

    for raised, code in ((RuntimeError("secret name"), 70), (KeyboardInterrupt(), 130)):

        def fail(path, raised=raised):
            raise raised

        monkeypatch.setattr(formats, "read", fail)
        assert main(["enhance", str(head), "-o", str(tmp_path / "o.nii")]) == code
        said = capsys.readouterr().err
        assert "secret name" not in said
        assert "Traceback" not in said


def test_help_needs_nothing_heavy():
    code = """
import sys
from medacuity.cli import main
main(["--help"])
heavy = {"torch", "numpy", "scipy", "nibabel", "pydicom", "matplotlib"} & set(sys.modules)
sys.exit(len(heavy))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_models_and_doctor_speak_of_the_shipped_weights(capsys):
    assert main(["models", "list"]) == 0
    names = [line.split()[0] for line in capsys.readouterr().out.splitlines()]
    assert "mri-2d-x2" in names
    assert main(["models", "info", "mri-2d-x2"]) == 0
    assert json.loads(capsys.readouterr().out)["network"] == "AcuityNet"
    assert main(["doctor"]) == 0
    assert "FAIL" not in capsys.readouterr().out


def test_models_and_doctor_speak_of_every_factor_a_file_serves(
    photo, tmp_path, capsys, monkeypatch
):
    assert main(["models", "info", str(photo)]) == 0
    assert json.loads(capsys.readouterr().out)["served"] == [[2, 2], [3, 3], [4, 4]]
    arguments = {"scale": [2, 2], "dims": 2, "width": 2}
    card = Card("claims", "ESPCN", arguments, {"kind": "picture"}, scales=[[3, 3]])
    claims = tmp_path / "claims.safetensors"
    save_weights(claims, ESPCN(**arguments), card)
    files = {"vdsr-photo": photo, "claims": claims}
    for module in ("choose", "selftest"):
        monkeypatch.setattr(f"medacuity.{module}.shipped", lambda: files)
    assert main(["models", "list"]) == 0
    assert "vdsr-photo           x2 x3 x4" in capsys.readouterr().out
    assert main(["doctor"]) != 0
    said = capsys.readouterr().out
    assert "x2 x3 x4: 0.000 off a smooth ball" in said
    assert "FAIL claims: its weights do not fit ESPCN at x3" in said


@pytest.mark.parametrize(
    ("text", "value"), [("2", [2]), ("1x1x4", [1, 1, 4]), ("1.5X2", [1.5, 2, 1]), (None, None)]
)
def test_numbers_per_axis(text, value):
    assert numbers(text, "scale") == value


def test_sizes_of_memory():
    assert bytes_of("2G") == bytes_of("2GiB") == 2 * 2**30
    with pytest.raises(UsageError, match="64M"):
        bytes_of("12")


def test_the_version_is_said(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.strip()[0].isdigit()
