"""PatchGAN: a critic that judges every patch of an image by itself."""

from itertools import pairwise

from torch import Tensor, nn
from torch.nn.utils import parametrizations

from medacuity.nd import CONV, at_least, conv, conv4, instance_norm, norm, start_small

WIDEST = 8  # times the features of the first layer


class PatchGAN(nn.Module):
    """Score overlapping patches: does this look like a piece of a real image?

    Texture is judged, and composition left to a loss against the target. From Isola et al.,
    "Image-to-Image Translation with Conditional Adversarial Networks", CVPR 2017,
    https://arxiv.org/abs/1611.07004, as in the authors' code. Its input is the condition and the
    image, one after the other along the channels; CycleGAN shows it the image alone, with
    ``instance=True``. Scores are logits: no sigmoid. Beyond the paper: volumes, spectral norm.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        channels: Image channels going in, those of the condition included.
        width: Features of the first layer; they double at each, up to 8 times as many.
        layers: Halvings: 1 to 5 score patches of 16, 34, 70, 142, 286 voxels; 0, single voxels.
        instance: Normalise each image by itself, rather than the batch.
        spectral: Bound the gain of every layer to 1 (`spectral_norm`) instead of normalising.

    Shape:
        ``(B, channels, *S)`` -> ``(B, 1, *scores)``: 256 voxels give 30 scores, at 3 layers.

    Attributes:
        field: Voxels that a score depends on, along every axis.

    Raises:
        ValueError: ``dims`` is not 2 or 3, a count is not a whole number, both norms are asked
            for, or an image is too small for a single score.

    Example:
        >>> import torch
        >>> critic = PatchGAN(dims=2, width=8)
        >>> critic.field, critic(torch.rand(2, 2, 256, 256)).shape
        (70, torch.Size([2, 1, 30, 30]))
    """

    def __init__(
        self, *, dims: int, channels: int = 2, width: int = 64, layers: int = 3,
        instance: bool = False, spectral: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        at_least(1, channels=channels, width=width)
        at_least(0, layers=layers)
        if instance and spectral:
            raise ValueError("instance and spectral must not both be True: choose one norm")
        self.dims = dims
        self.field = 9 * 2**layers - 2 if layers else 1
        self._least = 3 * 2**layers if layers else 1
        plain = instance or spectral  # batch norm alone has a bias of its own
        kernels = [(4, 2)] * layers + [(4, 1)] * 2 if layers else [(1, 1)] * 3
        wide = [width * min(2**n, WIDEST) for n in range(len(kernels) - 1)]
        body: list[nn.Module] = [_conv(dims, channels, width, kernels[0]), nn.LeakyReLU(0.2)]
        for (before, after), kernel in zip(pairwise(wide), kernels[1:-1], strict=True):
            body.append(_conv(dims, before, after, kernel, bias=plain))
            if not spectral:
                body.append(instance_norm(dims, after) if instance else norm(dims, after))
            body.append(nn.LeakyReLU(0.2))
        self.body = nn.Sequential(*body, _conv(dims, wide[-1], 1, kernels[-1]))
        start_small(self)
        if spectral:
            spectral_norm(self)

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of scores, high where ``x`` looks real."""
        if min(x.shape[2:]) < self._least:
            raise ValueError(
                f"sizes must be {self._least} or more for a score, got {tuple(x.shape[2:])}; "
                "take fewer layers"
            )
        out: Tensor = self.body(x)
        return out


def spectral_norm(network: nn.Module) -> None:
    """Keep the largest gain of every convolution, dense layer and embedding at 1.

    From Miyato et al., "Spectral Normalization for Generative Adversarial Networks", ICLR 2018,
    https://arxiv.org/abs/1802.05957: a critic that cannot rise steeply cannot run away from its
    generator. The gain is estimated as training goes, one step at every pass forwards; the
    estimate is part of the state, as floats, so a run resumes with it.

    Example:
        >>> layer = nn.Linear(8, 8)
        >>> spectral_norm(layer)
        >>> sorted(layer.state_dict())[1:]  # doctest: +NORMALIZE_WHITESPACE
        ['parametrizations.weight.0._u', 'parametrizations.weight.0._v',
         'parametrizations.weight.original']
    """
    weighted = (*CONV.values(), nn.Linear, nn.Embedding)
    for module in list(network.modules()):
        if isinstance(module, weighted):
            parametrizations.spectral_norm(module)


def _conv(
    dims: int, inputs: int, outputs: int, kernel: tuple[int, int], *, bias: bool = True
) -> nn.Module:
    wide, stride = kernel
    if wide == 1:
        return conv(dims, inputs, outputs, 1, bias=bias)
    return conv4(dims, inputs, outputs, stride=stride, bias=bias)
