"""What raters see is what was computed: turned as radiologists look, to 16 bits, alike for all.

- The patient's right is on the left, head or front on top, the first slice uppermost, whatever
  the axes of the file; a picture is shown as it is.
- The map to 16 bits is the same for all versions of a case, and undone to a fraction of a step.
- Versions that could be told apart by their grid, or are not of one place, are refused.
- A study is written whole or not at all; its files tell nothing by their names and sizes.
"""

import itertools

import numpy as np
import pytest
from making import make_design

from medacuity import formats
from medacuity.errors import MalformedInput, StorageError, UnsafeGeometry, UsageError
from medacuity.formats import Source
from medacuity.study.attention import possible, sentence, written
from medacuity.study.create import Wanted, create, enlarged, matched
from medacuity.study.design import STIMULI, load
from medacuity.study.order import Kind, plan
from medacuity.study.render import Look, as_seen, render
from medacuity.study.scales import SCALES, Panels, items_for
from medacuity.volume import Volume, axis_codes

SPACING = (1.0, 1.5, 3.0)  # right-left, front-back, head-foot
SIZE = (7, 9, 5)


def marked(codes="RAS"):
    """Return a volume whose values tell the place: 100 x left + 10 x back + down."""
    place = np.stack(np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij"))
    value = np.tensordot([100, 10, 1], place, 1).astype(np.int16)  # axes run left, back, down
    affine = np.diag([-1.0, -1.0, -1.0, 1.0]) @ np.diag([*SPACING, 1.0])
    for axis, code in enumerate(codes):
        at = next(n for n, pair in enumerate(("RL", "AP", "SI")) if code in pair)
        now = next(n for n, c in enumerate(axis_codes(affine)) if c in ("RL", "AP", "SI")[at])
        value, affine = value.swapaxes(axis, now), swapped(affine, axis, now)
        if axis_codes(affine)[axis] != code:
            value, affine = flipped(value, affine, axis)
    assert axis_codes(affine) == codes
    return Volume(np.ascontiguousarray(value), affine)


def swapped(affine, one, other):
    affine = affine.copy()
    affine[:, [one, other]] = affine[:, [other, one]]
    return affine


def flipped(value, affine, axis):
    affine = affine.copy()
    affine[:3, 3] += affine[:3, axis] * (value.shape[axis] - 1)
    affine[:3, axis] *= -1
    return np.flip(value, axis), affine


CODES = [
    "".join(code)
    for order in itertools.permutations(("RL", "AP", "SI"))
    for code in itertools.product(*order)
]


@pytest.mark.parametrize("codes", CODES)
def test_every_orientation_looks_the_same(codes):
    seen = as_seen(marked(codes))
    assert axis_codes(seen.affine) == "LPI"
    left, back, down = np.meshgrid(*(np.arange(n) for n in SIZE), indexing="ij")
    assert np.array_equal(seen.array, 100 * left + 10 * back + down)
    assert np.allclose(seen.affine, as_seen(marked()).affine)


@pytest.mark.parametrize(
    ("axis", "size", "spacing", "left", "step"),
    [
        ("axial", (5, 9, 7), (3.0, 1.5, 1.0), "R", (1, 10, 100)),
        ("coronal", (9, 5, 7), (1.5, 3.0, 1.0), "R", (10, 1, 100)),
        ("sagittal", (7, 5, 9), (1.0, 3.0, 1.5), "A", (100, 1, 10)),
    ],
)
def test_cuts_are_as_radiologists_look(axis, size, spacing, left, step):
    image, stored = render({"a": marked("PIR")}, Look(axis))
    assert (image.slices, image.rows, image.columns) == size
    assert image.spacing == spacing
    assert image.left == left
    value = image.low + stored["a"] * (image.high - image.low) / 65535
    place = np.stack(np.meshgrid(*(np.arange(n) for n in size), indexing="ij"))
    assert np.abs(value - np.tensordot(step, place, 1)).max() < 0.01


def test_thick_slices_are_seen_face_on_and_thin_ones_axially():
    assert render({"a": marked("ASR")}, Look())[0].slices == 5
    cube = Volume(np.random.default_rng(0).random((4, 5, 6)), np.eye(4))
    assert render({"a": cube}, Look())[0].slices == 6
    sagittal = Volume(np.random.default_rng(0).random((4, 5, 6)), np.diag([5.0, 1, 1, 1]))
    assert render({"a": sagittal}, Look())[0].slices == 4
    assert render({"a": cube}, Look(slices=2))[0].slices == 2


def test_pictures_are_shown_as_they_are():
    array = np.arange(12, dtype=np.uint8).reshape(4, 3, 1) * 20
    image, stored = render({"a": Volume(array, np.eye(4))}, Look())
    assert (image.slices, image.rows, image.columns, image.left) == (1, 3, 4, "")
    assert image.window == (0.0, 255.0)
    value = image.low + stored["a"][0] * (image.high - image.low) / 65535
    assert np.abs(value - array[..., 0].T).max() < 0.01


def test_the_map_is_shared_and_undone():
    rng = np.random.default_rng(1)
    versions = {
        name: Volume((rng.random((8, 8, 3)) * top).astype(np.float32), np.eye(4))
        for name, top in (("dark", 10.0), ("bright", 1000.0))
    }
    image, stored = render(versions, Look())
    for name, volume in versions.items():
        value = image.low + stored[name] * (image.high - image.low) / 65535
        shown = value.transpose(2, 1, 0)[::-1, ::-1, ::-1]
        step = (image.high - image.low) / 65535
        assert np.abs(shown - volume.array).max() <= step / 2 * 1.001
    assert stored["dark"].max() < stored["bright"].max() / 50
    assert stored["dark"].dtype == np.dtype("<u2")


def test_one_hot_voxel_does_not_cost_the_others_their_bits():
    array = np.random.default_rng(2).random((16, 16, 4)) * 100
    array[0, 0, 0] = 1e9
    image, _ = render({"a": Volume(array, np.eye(4))}, Look())
    assert image.high < 1000
    given, _ = render({"a": Volume(array, np.eye(4))}, Look(window=(-50, 2000)))
    assert given.window == (-50, 2000)
    assert given.high >= 2000


def test_what_differs_in_grid_or_place_is_refused():
    one = marked()
    moved = Volume(one.array, one.affine + np.eye(4)[:, [3, 3, 3, 0]] * 0)
    shift = one.affine.copy()
    shift[0, 3] += 20
    with pytest.raises(UnsafeGeometry, match="20 mm apart"):
        render({"a": one, "b": Volume(one.array, shift)}, Look())
    with pytest.raises(UnsafeGeometry, match="one grid"):
        render({"a": one, "b": Volume(one.array[:-1], one.affine)}, Look())
    broken = Volume(np.full(one.shape, np.nan), one.affine)
    with pytest.raises(MalformedInput, match="finite"):
        render({"a": one, "b": broken}, Look())
    assert render({"a": one, "b": marked("PIR"), "c": moved}, Look())[0].slices == 5


def test_an_image_of_nothing_can_be_shown():
    image, stored = render({"a": Volume(np.zeros((4, 4, 2)), np.eye(4))}, Look())
    assert image.high > image.low
    assert image.window[1] > image.window[0]
    assert not stored["a"].any()


def test_nearest_enlarges_in_place():
    low = Volume(np.arange(8.0).reshape(2, 2, 2), np.diag([2.0, 2, 2, 1]))
    fine = low.resampled(np.zeros((4, 4, 2)))
    found = enlarged(low, fine)
    seen = as_seen(low).array
    assert np.array_equal(found.array, seen.repeat(2, 0).repeat(2, 1))
    assert np.allclose(found.affine, as_seen(fine).affine)


@pytest.mark.parametrize("scale", SCALES)
def test_attention_checks_say_what_they_want(scale):
    panels = SCALES[scale].panels
    (item,) = items_for(scale)
    volume = Volume(np.random.default_rng(3).random((160, 120, 2)) * 500, np.eye(4))
    image, stored = render({"a": volume}, Look())
    for expected in possible(item, panels):
        assert panels is Panels.PAIR or item.accepts(expected)
        lines = sentence(item, expected, panels)
        found = written(stored["a"], image, lines)
        changed = (found != stored["a"]).any(axis=(0, 2))
        assert 10 < changed.sum() < 60
        middle = np.flatnonzero(changed).mean()
        assert abs(middle - image.rows / 2) < 3
        assert found.shape == stored["a"].shape
        assert found.dtype == stored["a"].dtype


def test_attention_checks_need_room():
    image, stored = render({"a": Volume(np.random.default_rng(3).random((9, 9, 1)), np.eye(4))},
                           Look())  # fmt: skip
    with pytest.raises(UsageError, match="room"):
        written(stored["a"], image, ("Please answer", "5"))


@pytest.fixture
def results(tmp_path):
    """Folders of results of two methods, their originals and inputs, in several kinds of files."""
    rng = np.random.default_rng(4)
    for case, suffix in (("anna", ".nii.gz"), ("ben", ".mha"), ("cleo", ".png")):
        size = (144, 96, 1) if suffix == ".png" else (144, 96, 3)
        affine = np.eye(4) if suffix == ".png" else np.diag([-1.0, -1.0, 4.0, 1.0])
        kind = np.uint8 if suffix == ".png" else np.int16
        array = rng.integers(0, 255, size).astype(kind)
        for place, values in (
            ("A", array), ("B", array // 2), ("best", array), ("low", array[::2, ::2]),
        ):  # fmt: skip
            grid = affine @ np.diag([2.0, 2, 1, 1]) if place == "low" else affine
            if place == "low":
                grid = Volume(array, affine).resampled(values).affine
                grid = np.eye(4) if suffix == ".png" else grid
            volume = Volume(values, grid)
            (tmp_path / place).mkdir(exist_ok=True)
            path = tmp_path / place / f"{case}{suffix}"
            formats.write(path, [volume], like=Source(tmp_path / "made", (volume,), None, ""))
    return tmp_path


def wanted(results, **more):
    return Wanted({"A": results / "A", "B": results / "B"}, **more)


def test_a_study_is_made_of_folders(results, tmp_path):
    folder = tmp_path / "study"
    study = create(
        folder,
        wanted(results, original=results / "best", nearest=results / "low", scale="acr-hr",
               training=1, repeats=2, checks=2, seed=5),
    )  # fmt: skip
    assert load(folder) == study
    assert study.methods == ("A", "B", "original", "nearest")
    assert set(study.images) == {"anna", "ben", "cleo"}
    sizes = {}
    for stimulus in study.stimuli:
        assert len(stimulus.file) == 16
        size = (folder / STIMULI / stimulus.file).stat().st_size
        assert size == study.images[stimulus.case].bytes
        sizes.setdefault(stimulus.case, set()).add(size)
    assert all(len(size) == 1 for size in sizes.values())
    names = " ".join(path.name for path in folder.rglob("*"))
    assert not any(word in names for word in ("anna", "ben", "cleo", "original", "nearest"))
    kinds = [trial.kind for trial in plan(study, 0)]
    assert kinds.count(Kind.TRAINING) == 3
    assert len(kinds) == 3 + 8 + 2 + 2


def test_a_study_is_whole_or_not_there(results, tmp_path):
    folder = tmp_path / "study"
    bad = results / "B" / "cleo.png"
    bad.write_bytes(bad.read_bytes()[:-200])
    with pytest.raises(MalformedInput):
        create(folder, wanted(results))
    assert not folder.exists()
    assert not list(tmp_path.glob(".*"))
    folder.mkdir()
    (folder / "other").touch()
    with pytest.raises(StorageError, match="not an empty folder"):
        create(folder, Wanted({"A": results / "A"}))


def test_cases_are_matched_by_name(results):
    found = matched({"A": results / "A", "best": results / "best"}, anchors=("best",))
    assert list(found) == ["anna", "ben", "cleo"]
    (results / "B" / "ben.mha").unlink()
    with pytest.raises(UsageError, match="B lacks ben"):
        matched({"A": results / "A", "B": results / "B"}, anchors=())
    assert len(matched({"B": results / "B", "A": results / "A"}, anchors=("A",))) == 2
    single = {"A": results / "A" / "anna.nii.gz", "B": results / "B" / "cleo.png"}
    assert list(matched(single, anchors=())) == ["anna"]


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"scale": "dcr"}, "needs the reference"), ({"scale": "acr-hr"}, "needs the reference"),
        ({"scale": "stars"}, "the scale is one of"), ({"training": 3}, "set aside"),
        ({"repeats": 7}, "0 to 6 repeats"), ({"checks": -1}, "0 to 6 repeats"),
        ({"rounds": 3}, "1 to 2 rounds"), ({"layout": "flicker"}, "one image"),
    ],
)  # fmt: skip
def test_wishes_that_cannot_be_met_are_refused_before_anything_is_read(results, more, says):
    with pytest.raises(UsageError, match=says):
        create(results / "study", wanted(results, **more))
    assert not (results / "study").exists()


@pytest.mark.parametrize("name", ["", " A", "original", "x" * 81, "a\nb"])
def test_odd_names_of_methods_are_refused(results, name):
    with pytest.raises(UsageError):
        create(results / "study", Wanted({name: results / "A"}))


def test_pairs_need_two():
    with pytest.raises(UsageError, match="two versions"):
        create("/nowhere", Wanted({}, scale="pairwise"))


def test_the_fixture_is_a_study():
    assert make_design("acr-hr").panels is Panels.SINGLE
