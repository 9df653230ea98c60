"""Whatever changes the numbers of a fit."""

import math
from dataclasses import dataclass

CHOICES = {
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("constant", "cosine"),
    "class_weights": ("none", "balanced"),
}


@dataclass(frozen=True, slots=True)
class FitConfig:
    """Decided before anything is trained; nothing of it may be chosen on a test subject.

    A model brings its own; these defaults are for small networks and ours: on simulated flow
    of a hundred clips, 15 to 100 epochs at rates of 1e-3 to 1e-2 score alike, so the cheap end
    was taken.
    """

    epochs: int = 30
    batch_size: int = 32
    learning_rate: float = 5e-3
    weight_decay: float = 0.0
    optimizer: str = "adam"  # adam, adamw, or sgd with momentum 0.9
    schedule: str = "constant"  # or cosine, to nothing at the last epoch
    class_weights: str = "none"  # or balanced: by the training subjects' counts

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"{self.epochs} epochs; at least 1 is needed")
        if self.batch_size < 2:
            raise ValueError(f"batches of {self.batch_size}; batch norm needs at least 2")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning rate {self.learning_rate}; it must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight decay {self.weight_decay}; it cannot be negative")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r}; known: {', '.join(known)}")
