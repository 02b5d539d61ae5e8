"""``medacuity generate``: a folder of images of no patient, and a record of each.

- Pictures, a sheet and ``samples.json`` come out; again, the same bytes.
- Wishes that cannot be met are one line and a documented code, and leave nothing behind.
"""

import json
from dataclasses import replace

import pytest

from medacuity.checkpoint import Card, Images, rule_as_json, save_weights
from medacuity.cli import main
from medacuity.intensity import Fixed
from medacuity.models import DCGANGenerator

CARD = Card(
    name="cgan", network="DCGANGenerator",
    arguments={"dims": 2, "size": 8, "width": 2, "latent": 3, "classes": 2},
    intensity=rule_as_json(Fixed(0.0, 255.0)), output=Images("chest X-ray"), task="chest X-rays",
    classes=["normal", "pneumonia"], licence="CC0",
)  # fmt: skip


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """Work in a folder with the weights of two generators."""
    save_weights(tmp_path / "cgan.safetensors", DCGANGenerator(**CARD.arguments), CARD)
    volume = {"dims": 3, "size": 8, "width": 2, "latent": 3}
    card = replace(CARD, name="gan3", arguments=volume, classes=[])
    save_weights(tmp_path / "gan3.safetensors", DCGANGenerator(**volume), card)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_folder_is_filled_and_told(desk, capsys):
    words = ["generate", "--model", "cgan.safetensors", "--count", "3", "--class", "pneumonia"]
    for folder in ("one", "two"):
        assert main([*words, "-o", folder, "--seed", "5", "--sheet", "--json"]) == 0
        said = capsys.readouterr()
        record = json.loads(said.out)
        assert json.loads((desk / folder / "samples.json").read_text()) == record
        assert said.err.startswith("SYNTHETIC: chest X-ray of no patient")
    names = [f"SYNTHETIC-pneumonia-00000{n}.png" for n in (5, 6, 7)]
    assert sorted(p.name for p in (desk / "one").iterdir()) == [*names, "samples.json", "sheet.png"]
    for path in (desk / "one").iterdir():
        assert path.read_bytes() == (desk / "two" / path.name).read_bytes()


def test_volumes_come_as_nifti(desk):
    assert main(["generate", "--model", "gan3.safetensors", "--count", "1", "-o", "out"]) == 0
    assert (desk / "out" / "SYNTHETIC-000000.nii.gz").exists()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--model", "cgan.safetensors", "--class", "flu"], 2, "normal, pneumonia"),
        (["--model", "cgan.safetensors", "--count", "0"], 2, "count"),
        (["--model", "cgan.safetensors", "--as", "gif"], 2, "png or nifti"),
        (["--model", "gan3.safetensors", "--as", "png"], 2, "--as nifti"),
        (["--model", "mri-2d-x2"], 2, "medacuity enhance"),
        (["--model", "none.safetensors"], 7, "no such weight file"),
        (["--count", "2"], 2, "--model"),
    ],
)
def test_refusals_are_one_line_with_a_code_and_leave_nothing(desk, capsys, words, code, said):
    before = sorted(p.name for p in desk.iterdir())
    assert main(["generate", "-o", "out", *words]) == code
    told = capsys.readouterr().err.strip()
    assert len(told.splitlines()) == 1
    assert f"error {code}" in told
    assert said in told
    assert sorted(p.name for p in desk.iterdir()) == before


def test_other_commands_know_generators(desk, monkeypatch, capsys):
    assert main(["synthesize", "x.nii", "-o", "o.nii", "--model", "cgan.safetensors"]) == 2
    assert "medacuity generate --model cgan.safetensors" in capsys.readouterr().err
    files = {"cgan": desk / "cgan.safetensors", "gan3": desk / "gan3.safetensors"}
    for module in ("choose", "selftest"):
        monkeypatch.setattr(f"medacuity.{module}.shipped", lambda: files)
    assert main(["models", "list"]) == 0
    assert "cgan                 normal, pneumonia chest X-rays" in capsys.readouterr().out
    assert main(["doctor"]) == 0
    said = capsys.readouterr().out
    assert "ok   cgan: normal, pneumonia: runs, CC0" in said
    assert "ok   gan3: generate: runs, CC0" in said
