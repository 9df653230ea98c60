"""Whatever changes the numbers of a fit."""

import math
from dataclasses import dataclass

CHOICES = {
    "optimizer": ("adam", "adamw", "sgd"),
    "schedule": ("constant", "cosine", "steps"),
    "class_weights": ("none", "balanced", "root"),
    "precision": ("float32", "tf32", "bf16"),
}
CHANGES = ("flip", "shift", "magnify")  # of a training clip, in this order: augment.py


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
    schedule: str = "constant"  # or cosine, to the floor at the last epoch; or steps
    warmup: int = 0  # epochs in which the rate rises evenly to what the schedule says
    decay: float = 0.5  # by steps: the rate times this …
    decay_every: int = 10  # … after so many epochs, again and again
    floor: float = 0.0  # share of the first rate that the schedule never goes below
    class_weights: str = (
        "none"  # or by the training subjects' counts n: balanced 1 / n, root 1 / √n
    )
    augment: tuple[str, ...] = ()  # of CHANGES, at random
    precision: str = "float32"  # of a step's products: precision.py
    validation: int = 0  # the epoch is chosen on one in so many training subjects; 0: the last

    def __post_init__(self) -> None:
        for name, least in (("epochs", 1), ("warmup", 0), ("decay_every", 1)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} {getattr(self, name)}; at least {least} is needed")
        if self.batch_size < 2:
            raise ValueError(f"batches of {self.batch_size}; batch norm needs at least 2")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(f"learning rate {self.learning_rate}; it must be above 0")
        if not 0 <= self.weight_decay < math.inf:
            raise ValueError(f"weight decay {self.weight_decay}; it cannot be negative")
        for name in ("decay", "floor"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} {getattr(self, name)}; a share from 0 to 1 is needed")
        if self.validation != 0 and self.validation < 2:
            raise ValueError(f"validation on one in {self.validation}; 2 or more, or 0 for none")
        for name, known in CHOICES.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} {getattr(self, name)!r}; known: {', '.join(known)}")
        for name in self.augment:
            if name not in CHANGES:
                raise ValueError(f"augment {name!r}; known: {', '.join(CHANGES)}")
