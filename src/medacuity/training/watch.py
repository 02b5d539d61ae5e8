"""What a healthy run looks like: the gain over cubic on patients it does not learn from."""

import io
from collections.abc import Sequence

import torch
from matplotlib.figure import Figure
from torch import Tensor, nn

from medacuity.resize import cubic, resize
from medacuity.training.learners.supervised import Batch


def psnr_gain(
    model: nn.Module, batches: Sequence[Batch], device: str
) -> tuple[float, tuple[Tensor, Tensor, Tensor, Tensor]]:
    """Return the mean gain in dB over cubic, and (input, cubic, ours, truth) of one patch."""
    training, gains = model.training, []
    model.eval()  # looking must not move the statistics of batch norm
    for given, target in batches:
        with torch.no_grad():
            ours = model(given.to(device)).float().cpu()
        plain = resize(given, target.shape[2:], cubic)
        gains.append(10 * torch.log10(_error(plain, target) / _error(ours, target)))
    model.train(training)
    brightest = int(given.flatten(1).mean(1).argmax())
    shown = tuple(x[brightest, 0] for x in (given, plain, ours, target))
    return float(torch.cat(gains).mean()), shown  # type: ignore[return-value]


def picture(shown: tuple[Tensor, Tensor, Tensor, Tensor], title: str) -> bytes:
    """Return a PNG of input, cubic, ours and truth, the middle slice of a volume."""
    figure = Figure(figsize=(12, 3.4), layout="constrained")
    figure.suptitle(title)
    for axes, x, name in zip(
        figure.subplots(1, 4), shown, ("input", "cubic", "ours", "truth"), strict=True
    ):
        plane = x if x.ndim == 2 else x[x.shape[0] // 2]
        axes.imshow(plane.numpy(), cmap="gray", vmin=0, vmax=float(shown[3].max()), aspect="auto")
        axes.set_title(name)
        axes.axis("off")
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=80)
    return file.getvalue()


def _error(prediction: Tensor, target: Tensor) -> Tensor:
    return (prediction - target).square().flatten(1).mean(1) + 1e-9
