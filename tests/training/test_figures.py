"""Pictures of a run can be opened and show what was logged; strips are kept in step with it.

- Losses and critic: whatever was logged, from a csv or fresh, numbers missing or not finite, with
  findings marked; an empty run too.
- A strip shows up to eight images in their range, 2D or the middle of 3D, the same way up as
  other pictures; the film shows the first and the last of them and real images, never those of
  steps that do not count any more.
"""

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from medacuity.training.figures import Film, critics, losses, strip


def opened(png: bytes) -> np.ndarray:
    """Return the pixels of a PNG."""
    with Image.open(io.BytesIO(png)) as image:
        assert image.format == "PNG"
        return np.asarray(image)


def row(step: int) -> dict[str, object]:
    """Return a line of metrics; half of it as text, as it comes from a csv."""
    logged = {
        "step": step, "loss": 1 / step, "critic_loss": math.nan if step == 3 else 0.5,
        "gradient": 10.0**-step, "rate": 1e-4, "critic_rate": 1e-4, "l1": 2.0, "accuracy": 0.9,
        "real": 1.0, "fake": -1.0, "seconds": 0.1,
    }  # fmt: skip
    if step % 3 == 0:
        logged |= {"distinct": 0.8, "ripple": 0.01, "mae": 0.1}
    return logged if step % 2 else {k: str(v) for k, v in logged.items()} | {"mae": ""}


def test_curves_can_be_drawn_of_whatever_was_logged():
    rows = [row(step) for step in range(1, 10)]
    bare = opened(losses(rows, title="a recipe"))
    assert min(bare.shape[:2]) > 200
    marked = opened(losses(rows, title="a recipe", marks={4: "collapse"}))
    assert marked.shape == bare.shape
    assert (marked != bare).any()
    assert opened(critics(rows, title="a recipe")).shape[1] > 600
    supervised = [{"step": 1, "loss": -20.0, "gradient": 0.0, "rate": 1e-3}]
    for draw in (losses, critics):
        assert opened(draw(supervised, title="")).size
        assert opened(draw([], title="")).size


@pytest.mark.parametrize("shape", [(3, 1, 20, 30), (3, 1, 20, 30, 9), (12, 3, 20, 30)])
def test_a_strip_shows_up_to_eight_images(shape):
    pixels = opened(strip(torch.rand(shape)))
    shown = min(8, shape[0])
    assert pixels.shape == (30, shown * 20 + (shown - 1) * 2)  # the first axis goes right
    assert pixels.dtype == np.uint8


def test_a_strip_is_in_range_and_the_right_way_up():
    x = torch.zeros(1, 1, 4, 6)
    x[0, 0, 3, 0] = 0.5  # right, and low
    x[0, 0, 0, 5] = 7.0
    x[0, 0, 1, 1] = math.nan
    pixels = opened(strip(x))
    assert pixels[5, 3] == 128
    assert pixels[0, 0] == 255
    assert pixels[4, 1] == 0
    assert opened(strip(x, high=7.0))[0, 0] == 255


def test_large_images_are_thinned_out():
    assert max(opened(strip(torch.rand(1, 1, 500, 300))).shape) <= 128


def test_the_film_keeps_step_with_the_run(tmp_path, monkeypatch):
    film = Film(tmp_path, done=0)
    real = torch.rand(9, 1, 16, 16)
    with monkeypatch.context() as patch:
        patch.setattr(Film, "_all", lambda film: b"not drawn")  # eleven times too slow
        for step in range(1, 12):
            film.add(step, real / 2, real)
    png = film.add(12, real / 2, real)
    assert film.last == png
    assert len(list((tmp_path / "samples").glob("step-*.png"))) == 12
    assert opened((tmp_path / "samples/step-00000012.png").read_bytes()).shape == (16, 8 * 18 - 2)
    whole = opened((tmp_path / "samples.png").read_bytes())
    assert whole.shape[1] > 800
    Film(tmp_path, done=4)
    assert len(list((tmp_path / "samples").glob("step-*.png"))) == 4
    assert (tmp_path / "samples/real.png").exists()
