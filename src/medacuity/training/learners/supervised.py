"""Learn from pairs: make the prediction look like the target."""

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from medacuity.losses import Loss


class Batch(NamedTuple):
    """Patches, unit range: input ``(B, C, *S)``, target ``(B, C, *(S * scale))``."""

    input: Tensor
    target: Tensor


class Supervised:
    """Adam with a warm-up and a cosine to zero; a non-finite step never reaches the weights.

    Args:
        model: The network; it is trained in place.
        loss: What to minimise.
        steps: Length of the whole schedule.
        rate: Highest learning rate.
        warm_up: Steps over which the rate rises to it.
        half: Compute in bfloat16, weights stay float32; None: where the hardware is made for it.
    """

    def __init__(
        self, model: nn.Module, *, loss: Loss, steps: int, rate: float,
        warm_up: int = 200, half: bool | None = None,
    ) -> None:  # fmt: skip
        self.model = model
        self.loss = loss
        self.steps = steps
        self.rate = rate
        self.warm_up = min(warm_up, steps // 4)
        self.half = _made_for_half(model) if half is None else half
        self.done = 0
        self.optimiser = torch.optim.Adam(model.parameters(), lr=rate, betas=(0.9, 0.99))

    def step(self, batch: Batch) -> dict[str, float]:
        """Learn from one batch; return what to log, ``skipped`` = 1 if it was not finite."""
        rate = self.rate_at(self.done)
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        with torch.autocast(batch.input.device.type, torch.bfloat16, enabled=self.half):
            prediction = self.model(batch.input)
        loss = self.loss(prediction.float(), batch.target)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), 20.0)
        finite = _everywhere(torch.isfinite(norm) & torch.isfinite(loss))
        if finite:
            self.optimiser.step()
        self.done += 1
        return {"loss": float(loss.detach()), "gradient": float(norm), "rate": rate,
                "skipped": float(not finite)}  # fmt: skip

    def rate_at(self, step: int) -> float:
        """Return the learning rate of a step."""
        if step < self.warm_up:
            return self.rate * (step + 1) / self.warm_up
        past = (step - self.warm_up) / max(1, self.steps - self.warm_up)
        return self.rate * (0.5 + 0.5 * math.cos(math.pi * min(1.0, past))) + 1e-7

    def state_dict(self) -> dict[str, Any]:
        """Return everything the next step depends on."""
        return {
            "model": _inner(self.model).state_dict(),
            "optimiser": self.optimiser.state_dict(),
            "done": self.done,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from a saved state, as if never stopped."""
        _inner(self.model).load_state_dict(state["model"])
        self.optimiser.load_state_dict(state["optimiser"])
        self.done = int(state["done"])


def _inner(model: nn.Module) -> nn.Module:
    """Return the network itself, whether several processes share it or not."""
    parallel = nn.parallel.DistributedDataParallel
    return model.module if isinstance(model, parallel) else model


def _everywhere(finite: Tensor) -> bool:
    """Return whether it holds in every process: all of them skip a step, or none."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        finite = finite.float()
        torch.distributed.all_reduce(finite, torch.distributed.ReduceOp.MIN)
    return bool(finite)


def _made_for_half(model: nn.Module) -> bool:
    """Tell whether bfloat16 is faster on the device of the model, and not merely possible."""
    if next(model.parameters()).is_cuda:
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return bool(torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported())
