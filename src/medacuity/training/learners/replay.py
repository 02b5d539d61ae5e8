"""A memory of generated images, so that a critic does not forget what it has seen through."""

from typing import Any

import torch
from torch import Tensor

from medacuity.nd import at_least


class Replay:
    """Hand on generated images, or some that were generated long ago.

    While it fills, an image is stored and handed on. Once full, with probability 1/2 the image
    is kept in the place of a random stored one, which is handed on; otherwise it is handed on
    untouched. As in CycleGAN (Zhu et al., ICCV 2017), after Shrivastava et al., CVPR 2017.

    Args:
        rng: Decides what is swapped.
        size: Images stored.

    Raises:
        ValueError: ``size`` is not a whole number >= 1.
    """

    def __init__(self, rng: torch.Generator, *, size: int = 50) -> None:
        at_least(1, size=size)
        self.rng = rng
        self.size = size
        self.images: list[Tensor] = []

    def __call__(self, images: Tensor) -> Tensor:
        """Return as many images, for the critic: detached, in the layout of those given.

        **Shape**: ``(B, ...)`` -> ``(B, ...)``; always the same ``...``.
        """
        images = images.detach()
        handed = images.clone()
        for n, image in enumerate(images):
            if len(self.images) < self.size:
                self.images.append(image.clone())
            elif torch.rand((), generator=self.rng) < 0.5:
                place = int(torch.randint(self.size, (), generator=self.rng))
                handed[n] = self.images[place]
                self.images[place] = image.clone()
        return handed

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next call depends on."""
        return {"images": list(self.images), "rng": self.rng.get_state()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.images = list(state["images"])
        self.rng.set_state(state["rng"])
