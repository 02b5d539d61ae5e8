"""The average of a network over its training: steadier than any one step of it."""

import copy
from typing import Any

import torch
from torch import nn


class Average:
    """Follow a network with an exponential moving average of its weights.

    Early on the average is short, ``(1 + n) / (10 + n)`` after n steps, so that it does not
    remember the weights training began with. Buffers, such as the statistics of batch norm, are
    copied. In `network`, which is ready for use, nothing is trained.

    Args:
        network: What to follow; it is copied.
        decay: What is kept of the average at a step; 0.999 looks back over a thousand steps.

    Raises:
        ValueError: ``decay`` is not from 0 to below 1.
    """

    def __init__(self, network: nn.Module, *, decay: float = 0.999) -> None:
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be from 0 to below 1, got {decay}")
        self.network = copy.deepcopy(network).eval().requires_grad_(False)
        self.decay = decay
        self.steps = 0

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the network as it is now."""
        kept = min(self.decay, (1 + self.steps) / (10 + self.steps))
        for own, weight in zip(self.network.parameters(), network.parameters(), strict=True):
            own.lerp_(weight.detach(), 1 - kept)
        for copied, buffer in zip(self.network.buffers(), network.buffers(), strict=True):
            copied.copy_(buffer)
        self.steps += 1

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next update depends on."""
        return {"network": self.network.state_dict(), "steps": self.steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state."""
        self.network.load_state_dict(state["network"])
        self.steps = int(state["steps"])
