"""The table of published figures measures as the papers did, counts as they did, and says so.

Multiply-adds and parameters are those that others counted; bicubic gives the papers' figures on
Set5 and Set14; VDSR with its authors' weights gives theirs. A figure nobody verified is said to
be so and never drawn; a run says how much of the paper's it is; and the index of docs/networks
tells the numbers that are counted here.
"""

import re
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from medacuity.checkpoint import Card, save_weights
from medacuity.errors import StorageError
from medacuity.models import (
    EDSR,
    ESPCN,
    FSRCNN,
    RCAN,
    SRCNN,
    VDSR,
    AcuityNet,
    LapSRN,
    MSLapSRN,
    SRResNet,
)
from medacuity.training.recipes import RECIPES

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))

import published  # noqa: E402
from costs import multiply_adds, parameters  # noqa: E402
from papers import find_set, score, trained  # noqa: E402

EDSR_LARGE = partial(EDSR, width=256, blocks=32, residual=0.1)
COUNTED = [
    (SRCNN, 2, 1, 8_032, 8_129),
    (partial(SRCNN, kernels=(9, 3, 5)), 2, 1, 24_416, 24_513),
    (partial(SRCNN, kernels=(9, 5, 5)), 3, 1, 57_184, 57_281),
    (FSRCNN, 2, 1, 3_116, 12_809),
    (FSRCNN, 3, 1, 1_384.9, 12_809),
    (FSRCNN, 4, 1, 779, 12_809),
    (ESPCN, 2, 1, 5_296, 21_284),
    (ESPCN, 3, 1, 2_513.8, 22_729),
    (ESPCN, 4, 1, 1_540, 24_752),
    (VDSR, 3, 1, 664_704, 665_921),
    (LapSRN, 2, 1, 102_100, 407_441),
    (LapSRN, 4, 1, 127_481, 814_242),
    (MSLapSRN, 2, 1, 378_580, 222_801),
    (MSLapSRN, 4, 1, 473_081, 222_801),
    (SRResNet, 4, 3, 138_636, 1_547_350),
    (EDSR, 2, 3, 343_152, 1_369_859),
    (EDSR, 4, 3, 123_948, 1_517_571),
    (EDSR_LARGE, 4, 3, 3_140_784, 43_089_923),
    (RCAN, 4, 3, 994_860, 15_592_355),
]
"""Network, factor, channels, multiply-adds per output pixel, parameters; counted by others."""


@pytest.mark.parametrize(("make", "scale", "channels", "adds", "weights"), COUNTED)
def test_costs_are_those_that_others_counted(make, scale, channels, adds, weights):
    make = partial(make, channels=channels)
    assert multiply_adds(make, scale, channels) == pytest.approx(adds, abs=0.05)
    assert parameters(make, scale) == weights


FIGURES = {  # bicubic, as every paper prints it
    ("Set5", 2): (33.66, 0.9299), ("Set5", 3): (30.39, 0.8682), ("Set5", 4): (28.42, 0.8104),
    ("Set14", 2): (30.24, 0.8688), ("Set14", 3): (27.55, 0.7742), ("Set14", 4): (26.00, 0.7027),
}  # fmt: skip
LEEWAY = {"Set5": (0.0051, 0.00006), "Set14": (0.015, 0.001)}  # Set14 comes in several versions


@pytest.mark.parametrize(
    ("name", "scale"),
    [pytest.param(*at, marks=[pytest.mark.slow] * (at[0] == "Set14")) for at in FIGURES],
)
def test_bicubic_is_that_of_the_papers(data, name, scale):
    measured = score(None, find_set(data, name), scale)
    for ours, theirs, leeway in zip(measured, FIGURES[name, scale], LEEWAY[name], strict=True):
        assert ours == pytest.approx(theirs, abs=leeway)


@pytest.mark.slow
@pytest.mark.parametrize("scale", [2, 3, 4])
def test_vdsr_with_its_authors_weights_gives_their_figures(data, scale):
    path = ROOT.parent / "shared" / "oracle" / "weights" / "VDSR_Official.npz"
    if not path.is_file():
        pytest.skip("the authors' weights are not here")
    given = [torch.from_numpy(x) for x in np.load(path).values()]
    model = VDSR(scale=scale, dims=2)
    model.load_state_dict(dict(zip(model.state_dict(), given, strict=True)))
    measured = score(model.eval(), find_set(data, "Set5"), scale)
    paper = {2: (37.53, 0.9587), 3: (33.66, 0.9213), 4: (31.35, 0.8838)}[scale]
    assert measured.psnr == pytest.approx(paper[0], abs=0.01)
    assert measured.ssim == pytest.approx(paper[1], abs=0.0001)


def card(recipe, steps, **more):
    """Return the card of a small network that was trained so."""
    return Card(
        "made", "ESPCN", {"scale": [2, 2], "dims": 2, "width": 2}, {"kind": "picture"},
        training={"recipe": recipe, "steps": steps, **more},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("recipe", "steps", "more", "said"),
    [
        ("vdsr-photo", 9_960, {}, "9,960 steps"),
        ("vdsr-photo", 300, {}, "300 of 9,960 steps"),
        ("lapsrn-photo-quick", RECIPES["lapsrn-photo-quick"].steps, {"seconds": 5400},
         f"quick recipe, {RECIPES['lapsrn-photo-quick'].steps:,} steps, 1.5 h"),
    ],
)  # fmt: skip
def test_a_run_says_how_much_of_the_papers_it_is(recipe, steps, more, said):
    assert published._run(card(recipe, steps, **more)) == said


def test_what_nobody_verified_is_said_to_be_so_and_not_drawn():
    doubtful = [p for p in published.PUBLISHED if "?" in p.set5 + p.set14]
    assert doubtful
    for paper in doubtful:
        name = "Set5" if "?" in paper.set5 else "Set14"
        assert published._figure(paper, name).endswith(" (unverified)")
        network = next(n for n in published.NETWORKS if n.name == paper.network)
        row = published.Row(network, paper.factor, [paper], None, {}, 1.0, 1.0)
        plain = {(name, paper.factor): published.Score(30.0, 0.9)}
        assert not list(published._points([row], plain))


def test_every_name_of_weights_is_that_of_a_recipe():
    for network in published.NETWORKS:
        names = {network.weights.format(factor) for factor in network.factors}
        assert names == {""} or names <= set(RECIPES)


def test_every_published_figure_belongs_to_a_row():
    rows = {(n.name, factor) for n in published.NETWORKS for factor in n.factors}
    for paper in published.PUBLISHED:
        assert (paper.network, paper.factor) in rows
        assert paper.source in published.SOURCES


def test_weights_are_taken_from_the_folder_and_only_at_factors_they_serve(tmp_path):
    made = card("espcn-photo-x2", 7)
    save_weights(tmp_path / "espcn-photo-x2.safetensors", ESPCN(**made.arguments), made)
    model, found = trained("espcn-photo-x2", 2, tmp_path)
    assert model.scale == (2, 2)
    assert found.training["steps"] == 7
    assert trained("espcn-photo-x2", 3, tmp_path) is None
    assert trained("no-such-weights", 2, tmp_path) is None


def test_any_folder_of_pictures_is_measured_without_published_figures(
    tmp_path, monkeypatch, capsys
):
    made = card("espcn-photo-x2", 7)
    save_weights(tmp_path / "espcn-photo-x2.safetensors", ESPCN(**made.arguments), made)
    (tmp_path / "own").mkdir()
    noise = np.random.default_rng(0).integers(0, 256, (49, 50, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "own" / "a.png")
    Image.fromarray(noise[..., 0]).save(tmp_path / "own" / "b.png")
    options = ["--sets", str(tmp_path / "own"), "--only", "ESPCN", "--weights", str(tmp_path),
               "--output", str(tmp_path / "out")]  # fmt: skip
    monkeypatch.setattr("sys.argv", ["published.py", "--data", str(tmp_path), *options])
    monkeypatch.setattr(published, "milliseconds", lambda make, scale, cost: 1.5)
    published.main()
    said = capsys.readouterr().out
    assert "### own, PSNR/SSIM" in said
    assert "32.55" not in said
    assert "7 of 1,000,000 steps" in said
    assert "not trained yet" in said  # x3 and x4
    assert (tmp_path / "out" / "published.md").read_text() == said
    with Image.open(tmp_path / "out" / "published.png") as drawn:
        assert drawn.size[0] > 1000


def test_a_set_that_is_not_there_is_named(tmp_path):
    with pytest.raises(StorageError, match="Set99"):
        find_set(tmp_path, "Set99")


PAGES = {
    "SRCNN 9-1-5": "srcnn", "SRCNN 9-5-5": "srcnn", "MS-LapSRN": "lapsrn", "EDSR-baseline": "edsr",
}  # fmt: skip
"""Networks whose page does not bear their name."""


def test_pages_tell_what_was_published():
    for paper in published.PUBLISHED:
        name = PAGES.get(paper.network, paper.network.lower())
        words = (ROOT / "docs" / "networks" / f"{name}.md").read_text()
        for figure in (paper.set5, paper.set14):
            assert figure.replace("?", " (unverified)") in words, (paper.network, figure)


def test_the_index_tells_what_is_counted():
    index = (ROOT / "docs" / "networks" / "README.md").read_text()
    lines = re.findall(r"^\| \[(.+?)\].*?\|.*?\| ([\d,]+) \| ([\d,]+) \|", index, re.MULTILINE)
    told = {name: tuple(int(n.replace(",", "")) for n in numbers) for name, *numbers in lines}
    colour = {
        "SRResNet": SRResNet, "EDSR-baseline": EDSR, "EDSR": EDSR_LARGE, "RCAN": RCAN,
    }  # fmt: skip
    luma = {
        "SRCNN": SRCNN, "FSRCNN": FSRCNN, "ESPCN": ESPCN, "VDSR": VDSR, "LapSRN": LapSRN,
        "MS-LapSRN": MSLapSRN, "AcuityNet": AcuityNet,
    }  # fmt: skip
    assert set(told) == {*colour, *luma}
    for name, make in luma.items():
        assert told[name] == (parameters(make, 4), round(multiply_adds(make, 4)))
    counted = {make: numbers for make, factor, _, *numbers in COUNTED if factor == 4}
    for name, make in colour.items():
        assert told[name] == tuple(reversed(counted[make]))
