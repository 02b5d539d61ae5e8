"""The downstream model of segmentation: a U-Net with a score of every label for every pixel."""

from torch import Tensor, cat, nn

from medacuity.models import FBPConvNet


class Segmenter(nn.Module):
    """Say how likely every label is, pixel by pixel.

    Ronneberger's U-Net, as `FBPConvNet` has it: that corrects what it is given, beside what it
    sees; here it corrects a guess of nothing.

    Args:
        dims: Spatial axes of the image: 2 (slices) or 3 (volumes).
        classes: Labels there are, with 0.
        width: Features at full size; they double at each halving.
        depth: Halvings.

    Shape:
        ``(B, 1, *S)`` -> logits ``(B, classes, *S)``; ``S`` multiples of ``2**depth``.

    Example:
        >>> import torch
        >>> Segmenter(dims=2, classes=4, width=4, depth=2)(torch.rand(1, 1, 16, 24)).shape
        torch.Size([1, 4, 16, 24])
    """

    def __init__(self, *, dims: int, classes: int, width: int, depth: int = 4) -> None:
        super().__init__()
        self.classes = classes
        self.unet = FBPConvNet(dims=dims, channels=classes, width=width, depth=depth, beside=1)
        self.unet.last.reset_parameters()  # there is nothing here that a first guess could spoil

    def forward(self, x: Tensor) -> Tensor:
        """Return logits."""
        nothing = x.new_zeros(len(x), self.classes, *x.shape[2:])
        out: Tensor = self.unet(cat([nothing, x], 1))
        return out
