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

from medacuity.cli import main
from medacuity.cli.talk import bytes_of, numbers
from medacuity.errors import UsageError


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
        (["enhance", "IN", "-o", "OUT.nii.gz", "--scale", "2x2x0.5", "--consistent"], 2),
        (["degrade", "slice-profile", "IN", "-o", "OUT.nii.gz", "--thickness", "0"], 2),
        (["nonsense"], 2),
    ],
)
def test_refusals_are_one_line_with_a_code_and_leave_nothing(
    head, tmp_path, capsys, arguments, code
):
    text = tmp_path / "text.nii"
    text.write_text("not a scan")
    before = {p: p.read_bytes() for p in tmp_path.iterdir()}
    places = {"IN": head, "TEXT": text, "OUT": tmp_path / "out"}
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
