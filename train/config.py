"""Whatever changes the numbers of a fit."""

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Decided before anything is trained; nothing of it may be chosen on a test subject.

    The defaults are ours: on simulated flow of a hundred clips, 15 to 100 epochs at rates
    of 1e-3 to 1e-2 score alike, so the cheap end was taken. STSTNet's authors trained with
    batches of 256 at a rate of 5e-5 for 500 to 800 epochs.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"{self.epochs} epochs; at least 1 is needed")
        if self.batch_size < 2:
            raise ValueError(f"batches of {self.batch_size}; batch norm needs at least 2")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning rate {self.learning_rate}; it must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight decay {self.weight_decay}; it cannot be negative")
