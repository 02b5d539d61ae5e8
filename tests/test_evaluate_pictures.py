"""A picture shows the same place of the patient in every column, turned as radiologists look.

- However the array is stored, front (or head) is up and the patient's right is on the left.
- Input and truth are cut at one place in mm; thick slices are seen from the side.
- One window for all images and one scale for all errors, both written on the picture.
- The same case gives the same bytes.
"""

import itertools
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from medacuity.evaluate_pictures import cut, panel, write_picture
from medacuity.volume import Volume, axis_codes


def truth(shape: tuple[int, int, int] = (24, 28, 20)) -> Volume:
    grid = np.meshgrid(*(np.linspace(-1, 1, n) for n in shape), indexing="ij")
    ball = np.where(sum(g**2 for g in grid) < 0.7, 800.0 + 200 * np.sin(9 * grid[0]), 0.0)
    return Volume(ball, np.diag([1.0, 1.0, 1.5, 1.0]))


def marked() -> Volume:
    """Dark but for one voxel to the right, front and head of the middle."""
    array = np.zeros((9, 11, 13))
    array[7, 8, 10] = 1
    return Volume(array, np.diag([1.0, 2.0, 3.0, 1.0]))


def turned(volume: Volume, axes: tuple[int, ...], flips: tuple[int, ...]) -> Volume:
    """The same patient, stored in another order and direction."""
    array, affine = volume.array.transpose(axes), volume.affine[:, [*axes, 3]].copy()
    for axis, flip in enumerate(flips):
        if flip:
            affine[:, 3] += affine[:, axis] * (array.shape[axis] - 1)
            affine[:, axis] *= -1
            array = np.flip(array, axis)
    return Volume(array, affine)


@pytest.mark.parametrize("axes", list(itertools.permutations(range(3))))
@pytest.mark.parametrize("flips", list(itertools.product([0, 1], repeat=3)))
def test_every_way_to_store_a_scan_shows_the_same(
    axes: tuple[int, ...], flips: tuple[int, ...]
) -> None:
    stored = turned(marked(), axes, flips)
    place = marked().affine @ [7, 8, 10, 1]
    axial, coronal, sagittal = (cut(stored, axes.index(i), place[:3]) for i in (2, 1, 0))
    # Rows run from top to bottom. Right of 9: two from the left edge; front of 11: third row.
    assert np.argwhere(axial.image).tolist() == [[2, 1]]
    assert np.argwhere(coronal.image).tolist() == [[2, 1]]
    assert np.argwhere(sagittal.image).tolist() == [[2, 2]]
    assert (axial.left, coronal.left, sagittal.left) == ("R", "R", "A")
    assert axial[1:3] == (9.0, 22.0)
    assert len(axis_codes(stored.affine)) == 3


def test_a_picture_without_directions_is_shown_as_it_is() -> None:
    rows_and_columns = np.arange(12.0).reshape(3, 4)
    picture = Volume(rows_and_columns.T[:, :, None], np.diag([0.5, 0.5, 1.0, 1.0]))
    assert np.array_equal(cut(picture, 2, np.zeros(3)).image, rows_and_columns)


def columns(figure: Figure) -> list[np.ndarray]:
    """The images of the first row."""
    top = [ax for ax in figure.axes if ax.get_title()]
    return [np.asarray(ax.images[0].get_array()) for ax in top]


def thick(volume: Volume, factor: tuple[int, int, int]) -> Volume:
    i, j, k = factor
    return volume.resampled(volume.array[i // 2 :: i, j // 2 :: j, k // 2 :: k])


@pytest.mark.parametrize(
    ("factor", "across"), [((2, 2, 1), 2), ((1, 1, 4), 1), ((2, 2, 2), 2), ((1, 4, 1), 2)]
)
def test_the_slice_lies_where_something_was_enlarged(
    factor: tuple[int, int, int], across: int
) -> None:
    volume = truth()
    figure = panel(thick(volume, factor), {"ours": volume}, volume)
    first, *_, last = columns(figure)
    kept = [n for axis, n in enumerate(volume.shape) if axis != across]
    assert sorted(last.shape) == sorted(kept)
    small = [n // f for n, f in zip(volume.shape, factor, strict=True)]
    assert sorted(first.shape) == sorted(n for axis, n in enumerate(small) if axis != across)


def test_one_window_and_one_scale_for_all() -> None:
    volume = truth()
    predictions = {
        "cubic": Volume(volume.array + 40, volume.affine),
        "ours": Volume(volume.array * 1.5, volume.affine),
    }
    figure = panel(thick(volume, (2, 2, 1)), predictions, volume, captions={"ours": "33 dB"})
    window = (0.0, float(np.percentile(volume.array, 99.9)))
    grey, errors = [], []
    for ax in figure.axes:
        for image in ax.images:
            (grey if image.get_cmap().name == "gray" else errors).append(image.get_clim())
    assert grey == [pytest.approx(window)] * 8  # whole slices and details
    assert len(set(errors)) == 1
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    said = next(text for text in texts if "window" in text)
    assert f"window 0 to {window[1]:.4g} a.u." in said
    assert f"errors 0 to {errors[0][1]:.3g} %" in said
    assert [ax.get_title() for ax in figure.axes[:4]] == [
        "input\n", "cubic\n", "ours\n33 dB", "truth\n"
    ]  # fmt: skip


def test_the_detail_does_not_depend_on_the_predictions() -> None:
    volume = truth()
    frames = [
        panel(thick(volume, (2, 2, 1)), {"ours": each}, volume).axes[0].patches[0].get_bbox().bounds
        for each in (volume, Volume(volume.array[::-1] + 300, volume.affine))
    ]
    assert frames[0] == frames[1]


def test_a_picture_and_an_empty_image_can_be_shown(tmp_path: Path) -> None:
    flat = Volume(truth().array[:, :, 10:11], np.eye(4))
    empty = Volume(np.zeros((12, 12, 1)), np.eye(4))
    for volume, predictions in ((flat, {"same": flat}), (empty, {"same": empty}), (flat, {})):
        figure = panel(volume, predictions, volume)
        shown = [image.get_array() for ax in figure.axes for image in ax.images]
        assert len(shown) >= 2 * (2 + len(predictions))  # whole slices and details, of each
        assert all(np.isfinite(each).all() for each in shown)
        write_picture(tmp_path / "picture.png", figure)
        grey = np.asarray(Image.open(tmp_path / "picture.png").convert("L"))
        assert grey.shape[0] > 300
        assert grey.std() > 5  # something is drawn


def test_the_same_case_gives_the_same_bytes(tmp_path: Path) -> None:
    volume = truth()
    for name in ("a.png", "b.png"):
        figure = panel(thick(volume, (2, 2, 1)), {"same": volume}, volume, title="case")
        write_picture(tmp_path / name, figure)
    one, two = ((tmp_path / name).read_bytes() for name in ("a.png", "b.png"))
    assert one == two
    assert one.startswith(b"\x89PNG")
    assert len([*tmp_path.iterdir()]) == 2
