"""Learned primal-dual: reconstruction that unrolls an optimiser and learns its steps."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from torch import Tensor, cat, nn

from medacuity.models.fbpconvnet import FBPConvNet
from medacuity.nd import at_least, conv, pad_to_multiple


class Projector(Protocol):
    """What the network needs of a scanner; nothing of it is learnt.

    `along` takes an image to the sums along every ray, `over` takes rays to the mean over all
    that meet a pixel, and `sharp` is the same after the ramp filter: nearly the inverse of
    `along`.
    """

    def along(self, x: Tensor) -> Tensor:
        """Return sums along rays, ``(B, 1, I, J)`` -> ``(B, 1, views, bins)``."""

    def over(self, y: Tensor) -> Tensor:
        """Return means over rays, ``(B, 1, views, bins)`` -> ``(B, 1, I, J)``."""

    def sharp(self, y: Tensor) -> Tensor:
        """Return filtered means over rays, of the same shape as `over`."""


class PrimalDual(nn.Module):
    """Go from image to rays and back, and learn what to do at either end.

    A primal-dual optimiser holds an image and a correction of the data, and improves each by
    the other through the scanner's own physics. Here small networks do the improving: each
    sees what it remembers and what the other side sends, and adds to its memory. From Adler and
    Oktem, "Learned Primal-Dual Reconstruction", IEEE TMI 2018, https://arxiv.org/abs/1707.06474,
    as in the authors' code: separate weights in each iteration, one channel of a memory is what
    the other side gets to see, a PReLU for each channel.

    Beyond the paper: it starts from an image rather than from zero; ``parts`` of the views take
    turns, so that an iteration over many views costs what a few do; what is seen of the rays is
    what the image leaves of them, which no large body drowns, and their noise; the correction
    comes back ramp-filtered as well; and slopes below zero are fixed, which on a CPU halves the
    time of a step. With ``first`` the image to start from goes through a U-Net, which sees far
    (eight ways in evaluation mode), and the iterations bring it back to the data. For the
    paper's form give it an image of zeros, all views as one part, and ``plain=1``.

    Args:
        dims: Spatial axes; a slice has 2, and so have its rays.
        iterations: Of one step at either end; 10 in the paper.
        memory: Channels each end remembers.
        width: Features of the small networks.
        first: Width of a `FBPConvNet` of 3 halvings in front; 0: none.
        beside: Images that this sees beside the one to start from.
        plain: 1: the rays and the image's are seen, neither noise nor the filtered correction,
            and slopes are learnt, as in the paper.

    Shape:
        An image ``(B, 1 + beside, I, J)`` to start from, rays ``(B, 2, views, bins)``, their sum
        and its standard deviation, and the projectors of their parts -> ``(B, 1, I, J)``. Part
        ``n`` of ``N`` has the views ``n, n + N, n + 2 N...``; N divides their number.

    Raises:
        ValueError: ``dims`` is not 2, a count is not a whole number >= 1, or the views cannot
            be shared among the parts.
    """

    halo: int | None = None
    multiple = 1

    def __init__(
        self, *, dims: int, iterations: int = 10, memory: int = 5, width: int = 32,
        first: int = 0, beside: int = 0, plain: int = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, iterations=iterations, memory=memory, width=width)
        if dims != 2:
            raise ValueError(f"dims must be 2: slices are reconstructed, got {dims}")
        self.dims = dims
        self.scale = (1, 1)
        self.memory, self.plain = memory, bool(plain)
        front = partial(FBPConvNet, dims=2, width=first, depth=3, beside=beside)
        self.first = front() if first else None
        slope = partial(nn.PReLU, width) if plain else partial(nn.LeakyReLU, 0.2)

        def steps(inputs: int) -> nn.ModuleList:
            """Return a small network for every iteration."""
            return nn.ModuleList(_step(inputs, width, memory, slope) for _ in range(iterations))

        self.dual, self.primal = steps(memory + 2), steps(memory + (1 if plain else 2))

    def forward(self, x: Tensor, y: Tensor, parts: Sequence[Projector]) -> Tensor:
        """Return the image that the rays are of, better than the ``x`` to start from."""
        if y.shape[2] % len(parts):
            raise ValueError(f"{y.shape[2]} views cannot be shared among {len(parts)} parts")
        if self.first is not None:
            fits = pad_to_multiple(x, self.first.multiple)
            begin = self.first(fits) if self.training else self.first.steady(fits)
            x = begin[:, :, : x.shape[2], : x.shape[3]]
        image = x[:, :1].float().repeat(1, self.memory, 1, 1)
        turns = [y[:, :, n :: len(parts)] for n in range(len(parts))]
        rays = y.new_zeros(len(y), self.memory, *turns[0].shape[2:])
        for n, (dual, primal) in enumerate(zip(self.dual, self.primal, strict=True)):
            part, data = parts[n % len(parts)], turns[n % len(parts)]
            own, known, noise = part.along(image[:, -1:]), data[:, :1], data[:, 1:]
            seen = [own, known] if self.plain else [own - known, noise]
            rays = rays + dual(cat([rays, *seen], 1)).float()
            sent = [part.over(rays[:, :1])]
            if not self.plain:
                sent.append(part.sharp(rays[:, -1:]))
            image = image + primal(cat([image, *sent], 1)).float()
        return image[:, :1]


def _step(
    inputs: int, width: int, outputs: int, slope: Callable[[], nn.Module]
) -> nn.Sequential:  # fmt: skip
    """Return three convolutions; the last starts small, so that the image to start from lasts."""
    last = conv(2, width, outputs, 3)
    nn.init.normal_(last.weight, std=1e-3)
    nn.init.zeros_(last.bias)  # type: ignore[arg-type]
    return nn.Sequential(
        conv(2, inputs, width, 3), slope(), conv(2, width, width, 3), slope(), last
    )
