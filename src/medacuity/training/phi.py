"""The shipped feature network as a loss: loaded when it is first needed."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from medacuity.checkpoint import load_weights

WEIGHTS = "features-mri-2d"


class MedicalFeatures:
    """Layers of our own feature network, by name, for `medacuity.adversarial.feature_distance`.

    A recipe is built before anything is loaded, so this waits until it is called; it follows
    the device of the images.
    """

    def __init__(self, *layers: str) -> None:
        self.layers = layers
        self.network: nn.Module | None = None

    def __call__(self, x: Tensor) -> Sequence[Tensor]:
        """Return the layers of images ``(B, 1, *S)`` in the unit range."""
        if self.network is None:
            network: Any = load_weights(WEIGHTS).model
            self.network = network.choose(*self.layers)
        found: Sequence[Tensor] = self.network.to(x.device)(x)
        return found
