"""What a fit lost in each of its epochs; kept when the fit is interrupted."""

import torch
from torch import Tensor

STATE = "losses"


class Losses:
    """The mean training loss of every epoch so far, the first one first."""

    def __init__(self) -> None:
        self.each: list[float] = []

    def add(self, loss: float) -> None:
        """Take an epoch's."""
        self.each.append(loss)

    def state(self) -> dict[str, Tensor]:
        """What a fit that is left must remember of them."""
        return {STATE: torch.tensor(self.each, dtype=torch.float64)}

    def restore(self, state: dict[str, Tensor]) -> dict[str, Tensor]:
        """Go back to a state; gives the rest of it, which is the fit's."""
        self.each = state[STATE].tolist()
        return {name: value for name, value in state.items() if name != STATE}
