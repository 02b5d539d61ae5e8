"""Another contrast of the same patient: in the same place, made up, and open about it.

- The grid of the result is the grid of the input, exactly, whatever its order, size, spacing.
- The patient stays still: what lay at a place in mm lies there after; the result is the same
  however the scan is stored.
- Numbers come from the input alone, and leave in the unit of the card; frames of a 4D scan, and
  slices, do not know of each other.
- Every finding is JSON; the words SYNTHETIC and the contrasts are in them.
- Unknown contrasts, weights for something else, and scans of the wrong kind are refused.
- A scan that shows nothing is refused; of a whole head PET warns, as it knows brains alone.
"""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from medacuity import synthesize as module
from medacuity.checkpoint import Images, read_card, rule_as_json
from medacuity.errors import LimitExceeded, MalformedInput, SafetyGate, UsageError
from medacuity.formats import Source
from medacuity.intensity import Fixed, Percentile
from medacuity.synthesize import Settings, chosen, synthesize, synthesize_source
from medacuity.synthesize_findings import in_words
from medacuity.volume import Volume
from test_viewpoint import ORDERS, stored
from translator_makers import T1_T2, plain, plain_network, unet

__all__ = ["plain_network"]
PET = {"output": Images("PET", "SUV"), "output_intensity": rule_as_json(Fixed(0.0, 20.0))}


def head(shape=(21, 18, 7), spacing=(1.0, 1.0, 3.0)) -> Volume:
    """Return a lopsided blob in RAS+, around the origin."""
    affine = np.diag([*spacing, 1.0])
    affine[:3, 3] = [-10, -9, 4]
    at = np.meshgrid(*[np.linspace(-1, 1, n) for n in shape], indexing="ij")
    array = 700 * np.exp(-3 * ((at[0] - 0.2) ** 2 + 2 * at[1] ** 2 + (at[2] + 0.3) ** 2))
    return Volume(array.astype(np.float32), affine)


def run(volume: Volume, weights: Path, **wish: object) -> Volume:
    return synthesize(volume, Settings(weights=str(weights), **wish)).volume


@pytest.mark.parametrize("dims", [2, 3])
def test_the_patient_stays_still_in_every_order(tmp_path, plain_network, dims):
    weights = plain(tmp_path, gain=1.0, place=0.01, arguments={"dims": dims})
    scan = head()
    made = run(scan, weights)
    place = np.indices(scan.shape) * np.array([0.1, 0.01, 0.001]).reshape(3, 1, 1, 1)
    expected = scan.array + place[:dims].sum(0)
    np.testing.assert_allclose(made.array, expected, atol=1e-3)
    for codes in ORDERS[dims::4]:
        other = stored(scan, codes)
        result = run(other, weights)
        np.testing.assert_array_equal(result.affine, other.affine)
        np.testing.assert_array_equal(result.array, stored(made, codes).array)


def test_a_real_network_gives_the_same_in_every_order(tmp_path):
    weights = unet(tmp_path, spacing=[1.5, 1.0])
    scan = head((13, 11, 3))
    made = run(scan, weights)
    assert made.array.std() > 1
    for codes in ORDERS[::8]:
        result = run(stored(scan, codes), weights)
        np.testing.assert_array_equal(result.array, stored(made, codes).array)


@pytest.mark.parametrize("shape", [(2, 1, 1), (5, 3, 1), (40, 9, 2), (16, 16, 16), (31, 64, 3)])
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.3, 1.7, 5), (2.1, 2.1, 2.1), (1.08, 1, 9)])
def test_any_size_and_spacing_keeps_its_grid(tmp_path, shape, spacing):
    scan = head(shape, spacing)
    made = run(scan, unet(tmp_path, spacing=[1.0, 1.0]))
    assert made.shape == shape
    np.testing.assert_array_equal(made.affine, scan.affine)
    assert np.isfinite(made.array).all()


@pytest.mark.parametrize("spacing", [(0.5, 0.5, 3), (2.0, 2.0, 3), (0.7, 1.6, 3)])
def test_at_another_spacing_edges_stay_where_they_are(tmp_path, plain_network, spacing):
    scan = head((48, 40, 3), spacing)
    made = run(scan, plain(tmp_path, gain=1.0, spacing=[1.0, 1.0]))
    centres = [
        (np.indices(v.shape)[:2] * v.array).sum((1, 2, 3)) / v.array.sum() for v in (scan, made)
    ]
    np.testing.assert_allclose(*centres, atol=0.02)
    assert np.abs(made.array - scan.array).max() < 0.02 * scan.array.max()


def test_resampling_is_said_aloud(tmp_path, plain_network):
    weights = str(plain(tmp_path, spacing=[1.0, 1.0]))
    far = synthesize(head(spacing=(0.5, 1, 3)), Settings(weights=weights)).findings
    near = synthesize(head(spacing=(0.95, 1, 3)), Settings(weights=weights)).findings
    assert (far["grid"]["resampled"], near["grid"]["resampled"]) == (True, False)
    assert any("0.5 x 1 mm to the 1 x 1 mm" in line for line in in_words(far))
    assert not any("resampled" in line for line in in_words(near))


def test_brightness_goes_in_and_comes_out_by_the_input_alone(tmp_path):
    weights = unet(tmp_path)
    scan = head()
    made = run(scan, weights)
    for factor in (0.001, 37.0):
        brighter = run(Volume(scan.array * np.float32(factor), scan.affine), weights)
        np.testing.assert_allclose(
            brighter.array, made.array * factor, rtol=1e-3, atol=0.01 * factor
        )
    whole = run(Volume(np.rint(1000 * scan.array).astype(np.int32), scan.affine), weights)
    np.testing.assert_allclose(whole.array, 1000 * made.array, atol=1000)


def test_a_result_in_a_unit_has_the_numbers_of_its_card(tmp_path, plain_network):
    scan = head()
    made = run(scan, plain(tmp_path, intensity=rule_as_json(Percentile(100)), **PET))
    assert made.unit == "SUV"
    expected = 10 * scan.array / scan.array.max()
    shown = made.array > 0
    np.testing.assert_allclose(made.array[shown], expected[shown], rtol=1e-4)
    assert 0 < expected[~shown].max() < 0.6  # slices of nothing but air stay air


def test_a_magnitude_does_not_go_below_0(tmp_path, plain_network):
    scan = head()
    assert run(scan, plain(tmp_path, gain=-1.0)).array.max() == 0
    hounsfield = rule_as_json(Fixed(-1000.0, 1000.0))
    ct = {"output": Images("CT", "HU"), "output_intensity": hounsfield}
    assert run(scan, plain(tmp_path, gain=0.0, **ct)).array.max() == -1000


@pytest.mark.parametrize("dims", [2, 3])
def test_air_around_the_head_changes_nothing(tmp_path, dims):
    fixed = rule_as_json(Fixed(0.0, 700.0))
    weights = unet(tmp_path, arguments={**T1_T2.arguments, "dims": dims}, intensity=fixed)
    scan = head((24, 20, 6))
    scan = Volume(np.where(scan.array > 60, scan.array, 0), scan.affine)
    wide = Volume(np.pad(scan.array, ((9, 30), (25, 11), (8, 8))), scan.affine)
    near = Volume(np.pad(scan.array, 8), scan.affine)
    kept = run(near, weights).array[8:-8, 8:-8, 8:-8]
    made = run(wide, weights).array
    np.testing.assert_allclose(made[9:33, 25:45, 8:14], kept, atol=1e-3)
    assert made[0].max() == 0


def test_slices_of_nothing_but_air_stay_air(tmp_path):
    scan = head((24, 20, 6))
    array = scan.array + np.random.default_rng(0).normal(0, 3, scan.shape).astype(np.float32)
    array[:, :, 4:] -= scan.array[:, :, 4:]
    noisy = Volume(np.abs(array), scan.affine)
    done = synthesize(noisy, Settings(weights=str(unet(tmp_path))))
    made = done.volume.array
    assert done.findings["slices_of_air"] == 2
    assert "2 slices show nothing but air, and stay so" in in_words(done.findings)
    assert made[:, :, 4:].max() == 0
    assert made[:, :, :4].max() > 0


def test_slices_and_frames_do_not_know_of_each_other(tmp_path):
    weights = unet(tmp_path, intensity=rule_as_json(Fixed(0.0, 700.0)))
    scan = head()
    made = run(scan, weights)
    changed = scan.array.copy()
    changed[:, :, 3] = 0
    other = run(Volume(changed, scan.affine), weights)
    np.testing.assert_allclose(np.delete(other.array, 3, 2), np.delete(made.array, 3, 2), atol=0.01)
    frames = (scan, Volume(scan.array[::-1] * 3, scan.affine))
    source = Source(tmp_path / "in.nii", frames, None, "")
    told: list[str] = []
    volumes, _, found = synthesize_source(
        source, Settings(weights=str(weights)), report=lambda what, done, of: told.append(what)
    )
    np.testing.assert_array_equal(volumes[1].array, run(frames[1], weights).array)
    assert told[-1] == "volume 2 of 2: t1-t2"
    json.dumps(found, allow_nan=False)


def test_memory_decides_how_many_slices_go_at_once_and_nothing_else(tmp_path):
    weights, scan = unet(tmp_path), head((64, 64, 12))
    made, little = run(scan, weights), run(scan, weights, memory=2.0**21)
    np.testing.assert_allclose(little.array, made.array, atol=1e-3 * made.array.max())
    with pytest.raises(LimitExceeded):
        run(scan, weights, memory=2.0**18)


def test_a_volume_network_runs_in_windows_of_its_training(tmp_path, plain_network):
    weights = plain(tmp_path, arguments={"dims": 3}, patch=[16, 16, 16], spacing=[1.0, 1.0, 2.0])
    scan = head((24, 20, 13))
    told: list[tuple[int, int]] = []
    made = synthesize(
        scan, Settings(weights=str(weights)), report=lambda what, *counts: told.append(counts)
    )
    assert np.abs(made.volume.array - 0.5 * scan.array).max() < 0.02 * scan.array.max()
    assert told[-1] == (8, 8)  # windows: two along each of 24 x 20 x 20 voxels


def test_labels_become_an_image(tmp_path, plain_network):
    weights = plain(
        tmp_path, arguments={"dims": 2, "channels": 3}, classes=["air", "grey", "white"],
        input=Images("labels"), output=Images("T1"),
        output_intensity=rule_as_json(Fixed(0.0, 1000.0)),
    )  # fmt: skip
    labels = Volume(np.arange(48, dtype=np.uint8).reshape(3, 4, 4) % 3, np.eye(4))
    made = run(labels, weights)
    np.testing.assert_allclose(made.array, 500 * (labels.array + 1.0))
    with pytest.raises(UsageError, match="from 0 to 2"):
        run(Volume(labels.array + 1, labels.affine), weights)


def test_findings_say_what_was_made_and_that_it_was_made_up(tmp_path):
    weights = unet(tmp_path)
    found = synthesize(head(), Settings(to="t2", weights=str(weights))).findings
    json.dumps(found, allow_nan=False)
    assert found["synthetic"] is True
    assert found["label"] == "SYNTHETIC T2"
    assert found["description"].startswith("SYNTHETIC T2, made of T1")
    assert (found["from"], found["to"], found["licence"]) == ("T1", "T2", "CC0")
    assert len(found["method_sha256"]) == 64
    assert "SYNTHETIC" in in_words(found)[0]


def test_what_a_person_must_mind_is_said_or_stops(tmp_path):
    weights = unet(tmp_path)
    scan = head()
    ct = Volume(scan.array, scan.affine, "HU")
    picture = Volume(scan.array[:, :, :1], np.eye(4))
    for volume, words in ((ct, "in HU"), (picture, "a picture has no spacing")):
        assert words in synthesize(volume, Settings(weights=str(weights))).findings["warnings"][0]
        with pytest.raises(SafetyGate, match=words):
            run(volume, weights, strict=True)
    assert synthesize(scan, Settings(weights=str(weights), strict=True)).findings["warnings"] == []


def test_a_result_that_is_not_finite_is_refused(tmp_path, plain_network):
    weights = plain(tmp_path, gain=1e30, output=Images("T2"))
    bright = np.full((8, 8, 2), 1e30, np.float32)
    bright[0] = 0
    with pytest.raises(SafetyGate, match="finite"):
        run(Volume(bright, np.eye(4)), weights)


@pytest.fixture
def few(tmp_path, monkeypatch):
    """Ship a few translators, and one network that is for something else."""
    good, better = {"ssim": 0.8}, {"ssim": 0.9}
    paths = [
        unet(tmp_path, name="cyclegan-t1-t2", measured=good),
        unet(tmp_path, name="pix2pix-t1-t2", measured=better),
        unet(tmp_path, name="pix2pix-t1-flair", output=Images("FLAIR")),
        unet(tmp_path, name="pix2pix-t2-flair", input=Images("T2"), output=Images("FLAIR")),
    ]
    files = {path.stem: path for path in paths} | {
        name: path for name, path in module.shipped().items() if name == "mri-2d-x2"
    }
    monkeypatch.setattr(module, "shipped", lambda: files)
    return files


def test_the_network_is_chosen_by_what_is_wanted(few):
    assert chosen(Settings(to="t2")).name == "pix2pix-t1-t2"  # measured better
    assert chosen(Settings(to=" T2 ", origin="t1")).name == "pix2pix-t1-t2"
    assert chosen(Settings(to="flair", origin="t2")).name == "pix2pix-t2-flair"


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        (Settings(to="pet"), "no shipped network turns a scan to pet; there are: T1 to T2"),
        (Settings(), "--to is missing"),
        (Settings(to="t2", origin="flair"), "turns flair to t2"),
        (Settings(to="flair"), "made of T1, T2: say which the scan is, with --from"),
        (Settings(to="t2", weights="mri-2d-x2"), "medacuity enhance --model mri-2d-x2"),
        (Settings(weights="nonesuch"), "no weights are called"),
    ],
)
def test_wishes_that_nothing_meets_are_refused(few, wish, words):
    with pytest.raises(UsageError, match=words):
        chosen(wish)


def test_a_scan_is_not_taken_for_a_label_map(tmp_path, monkeypatch, plain_network):
    """Weights for label maps are found by ``--from`` or by name, and never by what they make."""
    labels = plain(tmp_path, arguments={"dims": 2, "channels": 2}, classes=["air", "grey"],
                   input=Images("tissues"), output=Images("T1"))  # fmt: skip
    monkeypatch.setattr(module, "shipped", lambda: {"labels": labels})
    with pytest.raises(UsageError, match="no shipped network turns a scan to T1"):
        chosen(Settings(to="T1"))
    assert chosen(Settings(to="T1", origin="tissues")).classes == ["air", "grey"]


def test_weights_that_make_something_else_are_refused(few):
    weights = str(few["pix2pix-t1-t2"])
    assert chosen(Settings(weights=weights)) == read_card(Path(weights))
    for wish in (Settings(to="flair", weights=weights), Settings(origin="t2", weights=weights)):
        with pytest.raises(UsageError, match="is for T1 to T2"):
            chosen(wish)


def test_scans_that_a_network_cannot_take_are_refused(tmp_path, plain_network):
    scan = head((8, 8, 1))
    with pytest.raises(UsageError, match="one slice"):
        run(scan, plain(tmp_path, arguments={"dims": 3}))
    with pytest.raises(UsageError, match="several images"):
        run(scan, plain(tmp_path, arguments={"dims": 2, "channels": 2}))
    two = {**T1_T2.arguments, "outputs": 2}
    with pytest.raises(UsageError, match="several images"):
        run(scan, unet(tmp_path, arguments=two))
    assert replace(T1_T2, arguments=two).dims == 2


@pytest.mark.parametrize("value", [0, 7, -3.5])
def test_a_scan_that_shows_nothing_is_refused(tmp_path, plain_network, value):
    scan = head((8, 8, 3))
    with pytest.raises(MalformedInput, match=rf"all voxels of this one are {value:g}"):
        run(scan.with_array(np.full_like(scan.array, value)), plain(tmp_path))


@pytest.mark.parametrize(
    ("wide", "changes", "warned"),
    [
        (40, {}, False), (60, {}, True), (60, {"data": "whole heads"}, False),
        (60, {"output": Images("T2")}, False),
    ],
)  # fmt: skip
def test_more_than_a_brain_is_warned_of_where_pet_is_made(
    tmp_path, plain_network, wide, changes, warned
):
    """A block of 1.6 litres may be a brain, one of 2.3 is not."""
    card = {**PET, "data": "30 scans (OASIS)", "intensity": rule_as_json(Percentile())} | changes
    array = np.zeros((60, 60, 60), np.int16)
    array[:wide, :50, :50] = 900
    scan = Volume(array, np.diag([-2.5, 2.5, 2.5, 1.0]))
    weights = str(plain(tmp_path, **card))
    said = synthesize(scan, Settings(weights=weights)).findings["warnings"]
    assert any("strip the skull first" in line for line in said) == warned
