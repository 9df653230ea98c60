"""ARTNet without its magnifier: what it must beat for the magnifier to be worth its time.

Ours. Flow and strain of gain 1 are multiplied by each gain, as an ideal magnifier would have
them; all else is ARTNet's. Where this does as well, the magnified frames told nothing new.
"""

from torch import Tensor

from train.models.artnet import MODEL as ARTNET
from train.models.artnet import ARTNet
from train.models.base import Model


class ARTNetControl(ARTNet):
    """Tokens (B, gains, 3, 56, 56), of which the first alone is used -> (B, classes) logits."""

    def seen(self, tokens: Tensor) -> Tensor:
        """The first gain's planes times each gain, (B, gains, dim)."""
        gains = self.octaves.exp2()[..., None, None]  # (K, 1, 1, 1)
        return super().seen(tokens[:, :1] * gains)


MODEL = Model(ARTNetControl, takes=ARTNET.takes, recipe=ARTNET.recipe, fit=ARTNET.fit)
