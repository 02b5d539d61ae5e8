"""What a run looks like, on patients it does not learn from: numbers, a picture, samples."""

import io
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from medacuity.metrics.fidelity import mae, ssim
from medacuity.models.primal_dual import Projector
from medacuity.resize import cubic, resize
from medacuity.training.learners.gan import Samples
from medacuity.training.learners.supervised import Batch
from medacuity.training.projections import Scan

SHOWN = 36  # pictures of a sheet

WORDS = {
    "gain_db": "{:+.2f} dB over cubic", "mae": "error {:.4f}", "ssim": "SSIM {:.3f}",
    "diversity": "diversity {:.2f}", "order": "{:.1%} in order",
    "gain_over_tv_db": "{:+.2f} dB over TV", "interval": "90 % within {:.1f} expected errors",
}  # fmt: skip


class Look(NamedTuple):
    """Numbers by name, a PNG, and what a generator made beside what is real, unit range."""

    numbers: dict[str, float]
    picture: bytes
    samples: Tensor
    real: Tensor


def in_words(numbers: Mapping[str, float]) -> str:
    """Return the numbers as people say them.

    Example:
        >>> in_words({"gain_db": 2.0})
        '+2.00 dB over cubic'
    """
    return ", ".join(WORDS[name].format(value) for name, value in numbers.items())


def sharper(model: nn.Module, batches: Sequence[Batch], device: str, title: str) -> Look:
    """Look at super-resolution: the mean gain over cubic in dB."""
    gain, last = psnr_gain(model, batches, device)
    numbers = {"gain_db": gain}
    best = int(last[0].flatten(1).mean(1).argmax())
    names = ("input", "cubic", "ours", "truth")
    shown = {name: x[best, 0] for name, x in zip(names, last, strict=True)}
    return Look(numbers, picture(shown, f"{title}: {in_words(numbers)}"), last[2], last[3])


def translated(model: nn.Module, batches: Sequence[Batch], device: str, title: str) -> Look:
    """Look at translation: mean absolute error and SSIM against the truth, range 1.

    Of a network that tells its expected error as well: how many of these hold 90 % of voxels.
    """
    made = torch.cat([_run(model, device, batch.input) for batch in batches])
    real = torch.cat([batch.target for batch in batches])
    made, spread = made[:, : real.shape[1]], made[:, real.shape[1] :]
    numbers = {
        "mae": float(mae(made, real).mean()),
        "ssim": float(ssim(made, real, data_range=1.0).mean()),
    }
    if spread.shape[1]:
        numbers["interval"] = _interval(made, spread, real)
    given = torch.cat([batch.input for batch in batches])
    best = int(given.flatten(1).mean(1).argmax())
    shown = {"input": given, "ours": made, "truth": real}
    drawn = picture({k: x[best, 0] for k, x in shown.items()}, f"{title}: {in_words(numbers)}")
    return Look(numbers, drawn, made, real)


def reconstructed(
    model: nn.Module, batches: Sequence[Scan | Batch], device: str, title: str,
    *, parts: Sequence[Projector],
) -> Look:  # fmt: skip
    """Look at reconstruction: the mean gain in dB over total variation."""
    gains = []
    for batch in batches:
        given, target, *rays = batch
        ours = _run(model, device, given, *([*rays, parts] if parts else []))
        gains.append(10 * torch.log10(_error(given[:, :1], target) / _error(ours, target)))
    numbers = {"gain_over_tv_db": float(torch.cat(gains).mean())}
    shown = {"start": given[:, :1], "ours": ours, "truth": target}
    drawn = picture({k: x[0, 0] for k, x in shown.items()}, f"{title}: {in_words(numbers)}")
    return Look(numbers, drawn, ours, target)


def _interval(made: Tensor, spread: Tensor, real: Tensor, *, share: float = 0.9) -> float:
    """Return the expected errors within which a share of the voxels that show something lie.

    Where none shows anything, all voxels count.
    """
    high = float(real.max())
    shown = real >= min(high, 0.05 * high)
    errors = ((made - real).abs() * torch.exp(-spread))[shown]
    return float(errors.kthvalue(max(1, round(share * errors.numel()))).values)


def generated(model: nn.Module, batches: Sequence[Samples], device: str, title: str) -> Look:
    """Look at generation from the same numbers each time; labels are those of the real ones.

    Diversity is the mean distance between two samples over that between two real images: near
    1 they are as different from each other, near 0 they are all the same.
    """
    real = torch.cat([batch.image for batch in batches])[:SHOWN]
    labels = [batch.label for batch in batches if batch.label is not None]
    rng = torch.Generator().manual_seed(0)
    latents = torch.randn(len(real), int(model.latent), generator=rng)  # type: ignore[arg-type]
    given = [torch.cat(labels)[:SHOWN]] if labels else []
    made = _run(model, device, latents, *given)
    numbers = {"diversity": apart(made) / max(apart(real), 1e-12)}
    return Look(numbers, sheets(real, made, f"{title}: {in_words(numbers)}"), made, real)


def apart(x: Tensor) -> float:
    """Return the mean distance between two images of a batch, over the root of their size."""
    flat = x.flatten(1).float()
    distances = torch.cdist(flat, flat) / flat.shape[1] ** 0.5
    return float(distances.sum() / max(1, len(x) * (len(x) - 1)))


def psnr_gain(
    model: nn.Module, batches: Sequence[Batch], device: str
) -> tuple[float, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Return the mean gain in dB over cubic, and (input, cubic, ours, truth) of the last batch."""
    gains = []
    for given, target in batches:
        ours = _run(model, device, given)
        plain = resize(given, target.shape[2:], cubic)
        gains.append(10 * torch.log10(_error(plain, target) / _error(ours, target)))
    return float(torch.cat(gains).mean()), (given, plain, ours, target)


def picture(shown: Mapping[str, Tensor], title: str) -> bytes:
    """Return a PNG of images by name, the middle slice of a volume; the last sets the range."""
    figure = Figure(figsize=(3 * len(shown), 3.4), layout="constrained")
    figure.suptitle(title)
    white = float(list(shown.values())[-1].max())
    for axes, (name, x) in zip(figure.subplots(1, len(shown)), shown.items(), strict=True):
        plane = x if x.ndim == 2 else x[x.shape[0] // 2]
        axes.imshow(plane.numpy(), cmap="gray", vmin=0, vmax=white, aspect="auto")
        axes.set_title(name)
        axes.axis("off")
    return _png(figure)


def sheets(real: Tensor, made: Tensor, title: str) -> bytes:
    """Return a PNG of two contact sheets: real images, and generated ones."""
    figure = Figure(figsize=(12, 6.4), layout="constrained")
    figure.suptitle(title)
    for axes, x, name in zip(
        figure.subplots(1, 2), (real, made), ("real", "generated"), strict=True
    ):
        axes.imshow(contact_sheet(x).numpy(), cmap="gray", vmin=0, vmax=1)
        axes.set_title(name)
        axes.axis("off")
    return _png(figure)


def contact_sheet(x: Tensor) -> Tensor:
    """Return images side by side in a square; of volumes the middle slices.

    **Shape**: ``(B, 1, *S)`` -> ``(rows * H, columns * W)``.
    """
    x = x[:, 0] if x.ndim == 4 else x[:, 0, x.shape[2] // 2]
    side = int(len(x) ** 0.5)
    rows = x[: side * side].reshape(side, side, *x.shape[1:])
    return rows.movedim(2, 1).reshape(side * x.shape[1], -1)


@torch.no_grad()
def _run(model: nn.Module, device: str, *given: Any) -> Tensor:
    training = model.training
    model.eval()  # looking must not move the statistics of batch norm
    made: Tensor = (
        model(*(x.to(device) if isinstance(x, Tensor) else x for x in given)).float().cpu()
    )
    model.train(training)
    return made


def _png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return file.getvalue()


def _error(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square().flatten(1).mean(1) + 1e-9
