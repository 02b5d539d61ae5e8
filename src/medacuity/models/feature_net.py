"""FeatureNet: what an image looks like to a network that has seen damaged scans; ours.

The plan is that of VGG (Simonyan and Zisserman, 2015) and so are the names of its layers:
``relu2_1`` comes after the first convolution, and its activation, of the second block. Between
blocks images are halved behind a blur, after Zhang, "Making convolutional networks
shift-invariant again", ICML 2019: a network that keeps every second voxel of what it did not
smooth sees another image when the patient moves by one.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from medacuity.nd import CONVOLVE, at_least, conv

CONVOLUTIONS = 2  # of a block, as in the first blocks of VGG
TAPS = (1, 3, 3, 1)  # of the blur: even, so that halving keeps the field of view edge to edge


class FeatureNet(nn.Module):
    """Features of an image at several sizes, chosen by name.

    Beyond the edges it takes images to be 0, which is what air is. It has no batch
    normalisation: what it sees of an image does not depend on other images.

    Args:
        dims: Spatial axes: 2 (slices) or 3 (volumes).
        channels: Image channels.
        widths: Features of each block; there are as many blocks, and sizes are halved
            between them.
        layers: Names of what `forward` returns; empty: the last layer of every block.

    Shape:
        ``(B, channels, *S)`` -> a tuple of ``(B, widths[i], *(S // 2**i))``, one per layer in
        ``layers``, for blocks counted from 0; sizes of ``2**(blocks - 1)`` or more, unit range.

    Attributes:
        importance: One number per layer in ``names``: what its squared differences weigh in a
            perceptual distance.
        chosen_importance: The same for the chosen layers alone.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is below 1, there is no such layer, or an
            image does not fit.

    Example:
        >>> network = FeatureNet(dims=2, layers=("relu1_2", "relu3_1"))
        >>> [tuple(layer.shape) for layer in network(torch.rand(1, 1, 64, 48))]
        [(1, 32, 64, 48), (1, 96, 16, 12)]
    """

    def __init__(
        self, *, dims: int, channels: int = 1, widths: Sequence[int] = (32, 64, 96, 128),
        layers: Sequence[str] = (),
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, blocks=len(widths))
        self.dims, self.channels, self.widths = dims, channels, tuple(widths)
        self.convolutions = nn.ModuleDict()
        before = channels
        for block, width in enumerate(widths, 1):
            at_least(1, width=width)
            for number in range(1, CONVOLUTIONS + 1):
                layer = conv(dims, before, width, 3)
                if not layer.weight.is_meta:  # shapes alone
                    nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                    nn.init.zeros_(layer.bias)  # type: ignore[arg-type]
                self.convolutions[f"{block}_{number}"] = layer
                before = width
        self.importance = nn.Parameter(torch.ones(len(self.names)))
        self.layers: tuple[str, ...] = ()
        self.choose(*(layers or self.names[CONVOLUTIONS - 1 :: CONVOLUTIONS]))

    @property
    def names(self) -> tuple[str, ...]:
        """All layers, from the image inwards."""
        return tuple(f"relu{place}" for place in self.convolutions)

    @property
    def chosen_importance(self) -> Tensor:
        """What differences in the chosen layers weigh, in their order."""
        return self.importance[[self.names.index(name) for name in self.layers]]

    def choose(self, *layers: str) -> "FeatureNet":
        """Decide which layers are returned from now on; return the network itself."""
        unknown = [name for name in layers if name not in self.names]
        if unknown or not layers:
            raise ValueError(
                f"layers must be one or several of {', '.join(self.names)}, got {layers}"
            )
        self.layers = layers
        return self

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Return the chosen layers, in the order in which they were named."""
        smallest = 2 ** (max(int(name[4:].split("_")[0]) for name in self.layers) - 1)
        fits = x.ndim == self.dims + 2 and x.shape[1] == self.channels
        if not fits or min(x.shape[2:]) < smallest:
            raise ValueError(
                f"images must have {self.channels} channels and {self.dims} axes of {smallest} "
                f"voxels or more, got {tuple(x.shape)}"
            )
        found: dict[str, Tensor] = {}
        for place, layer in self.convolutions.items():
            if place.endswith("_1") and place != "1_1":
                x = halved(x)
            x = torch.relu(layer(x))
            found[f"relu{place}"] = x
            if all(name in found for name in self.layers):
                break
        return tuple(found[name] for name in self.layers)


def halved(x: Tensor) -> Tensor:
    """Blur and keep half the voxels along every axis; a last odd one is shared, not kept.

    Shape:
        ``(B, C, *S)`` -> ``(B, C, *(S // 2))``.
    """
    dims, features = x.ndim - 2, x.shape[1]
    taps = torch.tensor(TAPS, dtype=x.dtype, device=x.device) / sum(TAPS)
    for axis in range(dims):
        along = [int(a == axis) for a in range(dims)]
        kernel = taps.reshape(1, 1, *(len(TAPS) if a else 1 for a in along))
        x = CONVOLVE[dims](
            x, kernel.expand(features, -1, *kernel.shape[2:]), groups=features,
            stride=[1 + a for a in along], padding=along,
        )  # fmt: skip
    return x
