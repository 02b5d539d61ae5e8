"""Tiles are invisible: whatever their size, the result is that of the whole image.

- Any tile, any size of image, per-axis scales, 2D and 3D, batches of slices: equal to the whole
  image within 1e-6 of the range, poolings (``multiple``) included.
- A wrong halo is seen by these tests: half of it is far outside the tolerance.
- Tiles fit the budget they were given; when memory runs out all the same, they are halved and
  every voxel is still written once.
- A model that sees the whole image is never cut in space.
- Memory maps are read and written piece by piece.
"""

import math
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F

from medacuity.errors import LimitExceeded, UsageError
from medacuity.memory import bytes_per_voxel
from medacuity.nd import conv, pad_to_multiple, pixel_shuffle
from medacuity.tiles import Axis, least_work
from medacuity.tiling import run_tiled, tile_for


class Shuffled(nn.Module):
    """Three zero-padded convolutions and a pixel shuffle: halo 4, any size."""

    halo: int | None = 4
    multiple = 1

    def __init__(self, dims: int, scale: tuple[int, ...]) -> None:
        super().__init__()
        self.dims, self.scale = dims, scale
        self.body = nn.Sequential(
            conv(dims, 1, 6, 5), nn.Tanh(), conv(dims, 6, 6, 3), nn.ReLU(),
            conv(dims, 6, math.prod(scale), 3),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return pixel_shuffle(self.body(x), self.scale)


class Pooled(nn.Module):
    """A U-Net of one level: its answer depends on which voxels are pooled together."""

    multiple = 4
    halo: int | None = 12

    def __init__(self, dims: int) -> None:
        super().__init__()
        self.dims, self.scale = dims, (1,) * dims
        self.down, self.mid, self.up = conv(dims, 1, 4, 3), conv(dims, 4, 4, 3), conv(dims, 5, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        pool = F.max_pool2d if self.dims == 2 else F.max_pool3d
        deep = self.mid(pool(self.down(x).relu(), 4)).relu()
        return self.up(torch.cat([F.interpolate(deep, scale_factor=4.0), x], 1))


class Normalised(nn.Module):
    """Divides by the standard deviation of everything."""

    halo: int | None = None
    multiple = 1
    dims, scale = 2, (1, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x / x.std(dim=(2, 3), keepdim=True)


def enlarged(model: Any, x: Tensor) -> Tensor:
    return torch.full(
        (x.shape[0], 1, *(n * s for n, s in zip(x.shape[2:], model.scale, strict=True))), math.nan
    )


def whole(model: Any, x: Tensor) -> Tensor:
    with torch.inference_mode():
        y = model(pad_to_multiple(x, model.multiple))
    return y[(..., *(slice(0, n * s) for n, s in zip(x.shape[2:], model.scale, strict=True)))]


def assert_same(out: Tensor, expected: Tensor) -> None:
    span = float(expected.max() - expected.min())
    assert torch.isfinite(out).all()
    assert float((out - expected).abs().max()) <= 1e-6 * span


def image(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(7)


@given(data=st.data(), dims=st.sampled_from([2, 3]), pooled=st.booleans())
@settings(max_examples=60, deadline=None)
def test_any_tile_gives_the_whole_image(data: Any, dims: int, pooled: bool) -> None:
    torch.manual_seed(data.draw(st.integers(0, 99)))
    scale = tuple(data.draw(st.integers(1, 3)) for _ in range(dims))
    model = Pooled(dims) if pooled else Shuffled(dims, scale)
    size = tuple(data.draw(st.integers(1, 40 if dims == 2 else 21)) for _ in range(dims))
    batch = data.draw(st.integers(1, 3))
    tile = (data.draw(st.integers(1, 4)), *(data.draw(st.integers(4, 45)) for _ in range(dims)))
    x = image(batch, 1, *size)
    out = enlarged(model, x)
    run_tiled(model.eval(), x, out=out, tile=tile)
    assert_same(out, whole(model, x))


@pytest.mark.slow
@pytest.mark.parametrize("extra", [0, 8])
def test_twenty_odd_shapes_under_all_usual_tiles(extra: int) -> None:
    rng = np.random.default_rng(11)
    model = Shuffled(3, (2, 2, 2))
    model.halo = 4 + extra
    for _ in range(20):
        x = image(1, 1, *(int(n) for n in rng.integers(20, 72, 3)))
        expected = whole(model, x)
        for tile in (16, 32, 48, 64):
            out = enlarged(model, x)
            run_tiled(model, x, out=out, tile=tile)
            assert_same(out, expected)


@pytest.mark.parametrize("tile", [1, 2, 3, 7, 8, 31, 64])
def test_one_number_is_a_tile_too(tile: int) -> None:
    model, x = Shuffled(2, (2, 3)), image(2, 1, 19, 23)
    out = enlarged(model, x)
    run_tiled(model, x, out=out, tile=tile)
    assert_same(out, whole(model, x))


def test_half_the_halo_would_be_seen() -> None:
    model, x = Shuffled(2, (2, 2)), image(1, 1, 64, 64)
    out, expected = enlarged(model, x), whole(model, x)
    model.halo = 2
    run_tiled(model, x, out=out, tile=16)
    assert float((out - expected).abs().max()) > 1e-4 * float(expected.max() - expected.min())


def test_a_multiple_off_its_grid_would_be_seen() -> None:
    """The grid matters: the same model on a window that starts off a multiple differs."""
    model, x = Pooled(2), image(1, 1, 64, 64)
    expected = whole(model, x)
    shifted = whole(model, x[:, :, 2:])
    assert float((shifted[:, :, 14:-14] - expected[:, :, 16:-14]).abs().max()) > 1e-3


@pytest.mark.parametrize(("dims", "size"), [(2, (96, 70)), (3, (40, 36, 28))])
@pytest.mark.parametrize("share", [1.5, 0.7, 0.3])
def test_a_budget_is_kept_and_changes_nothing(
    dims: int, size: tuple[int, ...], share: float
) -> None:
    model = Shuffled(dims, (2,) * dims)
    x = image(3 if dims == 2 else 1, 1, *size)
    need = bytes_per_voxel(model, x[(slice(0, 1), slice(None), *[slice(0, 16)] * dims)])
    shown: list[int] = []
    out, expected = enlarged(model, x), whole(model, x)
    model.register_forward_pre_hook(lambda _, args: shown.append(args[0].numel()))
    run_tiled(model, x, out=out, budget_bytes=share * need * x.numel())
    assert_same(out, expected)
    assert max(shown[1:]) <= share * x.numel()  # the first call is the measurement
    assert len(shown) == 2 or share < 1


def test_measured_memory_is_that_of_the_tensors_alive_together() -> None:
    net = nn.Sequential(
        conv(2, 1, 32, 3), nn.ReLU(), conv(2, 32, 8, 3), nn.ReLU(), conv(2, 8, 1, 3)
    )
    # 32 features before and after the first ReLU, taken twice; one channel in, one out twice.
    assert bytes_per_voxel(net, torch.rand(1, 1, 32, 32)) == 2 * (32 + 32) * 4 + 4 + 8


def test_slices_are_split_before_they_are_cut() -> None:
    model = Shuffled(2, (2, 2))
    tile = tile_for(model, (30, 1, 64, 64), budget_bytes=7 * 64 * 64, bytes_per_voxel=1.0)
    assert tile == (6, 64, 64)  # 5 even parts of 30 slices; 7 would fit, and need 5 parts too


@given(
    size=st.tuples(*[st.integers(1, 70)] * 3), halo=st.integers(0, 9), room=st.integers(1, 90_000)
)
@settings(max_examples=60, deadline=None)
def test_no_other_even_cut_wastes_less(size: tuple[int, ...], halo: int, room: int) -> None:
    axes = [Axis(n, halo, 1) for n in size]
    chosen, shown = least_work(axes, room=room)

    def work(sizes: tuple[int, ...]) -> int:
        return math.prod(sum(axis.shown(n)) for axis, n in zip(axes, sizes, strict=True))

    if shown <= room:
        rest = product(*(axis.choices()[:4] for axis in axes))
        fitting = [
            s for s in rest
            if math.prod(max(a.shown(n)) for a, n in zip(axes, s, strict=True)) <= room
        ]  # fmt: skip
        assert all(work(chosen) <= work(s) for s in fitting)


def test_work_wasted_stays_small_on_a_clinical_volume() -> None:
    axes = [Axis(n, 9, 1) for n in (180, 256, 256)]
    chosen, _ = least_work(axes, room=96**3 * 2)
    work = math.prod(sum(axis.shown(n)) for axis, n in zip(axes, chosen, strict=True))
    assert work / math.prod(axis.size for axis in axes) < 1.4


class Starved(Shuffled):
    """Runs out of memory above a number of voxels, in the words of the allocator."""

    def __init__(self, limit: int, error: Exception) -> None:
        super().__init__(2, (2, 2))
        self.limit, self.error = limit, error

    def forward(self, x: Tensor) -> Tensor:
        if x.numel() > self.limit:
            raise self.error
        return super().forward(x)


CPU_ERROR = RuntimeError("[enforce fail at alloc_cpu.cpp:119] DefaultCPUAllocator: can't allocate")


@pytest.mark.parametrize("error", [CPU_ERROR, MemoryError(), torch.OutOfMemoryError("GPU full")])
def test_out_of_memory_halves_the_tile_and_goes_on(error: Exception) -> None:
    model, x = Starved(900, error), image(3, 1, 50, 41)
    progress: list[tuple[int, int]] = []
    out = enlarged(model, x)
    run_tiled(model, x, out=out, report=lambda done, total: progress.append((done, total)))
    model.limit = 10**9
    assert_same(out, whole(model, x))
    assert progress[-1] == (x.numel(), x.numel())
    assert [d for d, _ in progress] == sorted({d for d, _ in progress})


def test_no_memory_for_the_smallest_tile_is_a_limit() -> None:
    model, x = Starved(10, CPU_ERROR), image(1, 1, 40, 40)
    with pytest.raises(LimitExceeded, match=r"smallest tile does not fit .* smaller model"):
        run_tiled(model, x, out=enlarged(model, x))
    with pytest.raises(LimitExceeded, match=r"smallest tile needs about \d+ MiB, the budget is 0"):
        run_tiled(Shuffled(2, (2, 2)), x, out=enlarged(model, x), budget_bytes=1000)


def test_other_errors_of_a_model_come_through() -> None:
    model, x = Starved(10, RuntimeError("expected 3 channels")), image(1, 1, 40, 40)
    with pytest.raises(RuntimeError, match="expected 3 channels"):
        run_tiled(model, x, out=enlarged(model, x))


def test_a_model_that_sees_everything_is_not_cut() -> None:
    model, x = Normalised(), image(4, 1, 30, 31)
    out = torch.empty_like(x)
    run_tiled(model, x, out=out, tile=(1, 99, 99))
    assert_same(out, whole(model, x))
    with pytest.raises(UsageError, match=r"sees the whole image .* leave tile out"):
        run_tiled(model, x, out=out, tile=8)
    with pytest.raises(LimitExceeded, match=r"whole image.*needs about \d+ MiB, the budget is"):
        run_tiled(model, x, out=out, budget_bytes=100)


def test_slices_of_a_memory_map_go_through_without_a_copy(tmp_path: Any) -> None:
    source = np.memmap(tmp_path / "in", dtype=">i2", mode="w+", shape=(20, 22, 12))
    source[:] = np.arange(source.size).reshape(source.shape) % 997
    target = np.memmap(tmp_path / "out", dtype=np.int16, mode="w+", shape=(40, 44, 12))
    model = Shuffled(2, (2, 2))
    pieces: list[int] = []

    def load(piece: np.ndarray) -> Tensor:
        pieces.append(piece.size)
        return torch.from_numpy(piece.astype(np.float32) / 997)

    run_tiled(
        model, np.moveaxis(source, 2, 0)[:, None], out=np.moveaxis(target, 2, 0)[:, None],
        tile=(5, 22, 22), load=load, store=lambda y: (y * 997).round().to(torch.int16),
    )  # fmt: skip
    stack = torch.from_numpy(np.moveaxis(source, 2, 0)[:, None].astype(np.float32)) / 997
    expected = (whole(model, stack) * 997).round()
    assert max(pieces) == 5 * 20 * 22
    assert np.abs(target - np.moveaxis(expected[:, 0].numpy(), 0, 2)).max() <= 1


def test_numpy_floats_in_and_out_of_half_precision() -> None:
    model, x = Shuffled(3, (1, 1, 2)), image(1, 1, 9, 8, 7)
    out = np.zeros((1, 1, 9, 8, 14), np.float64)
    run_tiled(model, x.numpy(), out=out, store=lambda y: y.bfloat16())
    assert np.allclose(out, whole(model, x), atol=0.01)


@pytest.mark.parametrize(
    ("shape", "out", "arguments", "said"),
    [
        ((1, 1, 8), (1, 1, 16, 16), {}, r"\(batch, channels\) and 2 axes"),
        ((1, 1, 8, 0), (1, 1, 16, 0), {}, "empty"),
        ((1, 1, 8, 8), (1, 1, 8, 8), {}, r"out needs 1 images of \(16, 16\)"),
        ((1, 1, 8, 8), (1, 1, 16, 16), {"tile": 0}, "tile needs one whole number"),
        ((1, 1, 8, 8), (1, 1, 16, 16), {"tile": (4, 4)}, "tile needs one whole number"),
    ],
)
def test_what_does_not_fit_is_named(shape: Any, out: Any, arguments: Any, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        run_tiled(Shuffled(2, (2, 2)), torch.zeros(shape), out=torch.zeros(out), **arguments)


def test_integers_are_not_truncated_in_silence() -> None:
    out = np.zeros((1, 1, 16, 16), np.uint8)
    with pytest.raises(UsageError, match="store="):
        run_tiled(Shuffled(2, (2, 2)), torch.zeros(1, 1, 8, 8), out=out)


def test_a_model_that_breaks_its_word_is_named() -> None:
    model = Shuffled(2, (2, 2))
    model.scale = (3, 3)
    model.forward = lambda x: x  # type: ignore[method-assign]
    with pytest.raises(UsageError, match=r"scale \(3, 3\) must enlarge"):
        run_tiled(model, torch.zeros(1, 1, 8, 8), out=torch.zeros(1, 1, 24, 24))
