"""The phases of a clip, onset to apex and apex to offset, as clips of their own.

Khuong et al., "phase-aware temporal augmentation", arXiv 2510.15466: a dynamic image of each
phase instead of one of the whole clip, as more pictures to train on, for any network that takes
one picture. Only the abstract is known to us: how often each is shown, the direction of the
fall, and what is tested on are ours.

Phases of a clip share its fold: folds are split by clip, and a clip's phases are chosen later.
"""

import torch
from torch import Tensor

from train.augment import over, uniform


def one_phase(
    whole: Tensor,
    rise: Tensor,
    fall: Tensor,
    generator: torch.Generator | None = None,
    odds: tuple[float, float, float] = (0.2, 0.5, 0.3),
) -> Tensor:
    """Give one picture a clip: of all of it, of its rise, or of its fall run backwards.

    Run backwards, a fall too ends at the apex. Its picture need not be made again: by linear
    weights, 2t − T − 1, it is the negative.

    Parameters
    ----------
    whole, rise, fall : (B, C, H, W)
        Dynamic images by any, linear and linear weights, as the recipe "dynamic" stores them;
        or flows onset → apex (twice) and apex → offset, as the recipe "fmanet".
    generator : of the draws; None: torch's own, on the CPU
    odds : of whole, rise and fall; they add up to 1
        A fall that is 0 everywhere, of an offset that is the apex, is never given: the rise is.

    Returns
    -------
    (B, C, H, W)

    Raises
    ------
    ValueError
        If the odds do not add up to 1.
    """
    if abs(sum(odds) - 1) > 1e-6 or min(odds) < 0:
        raise ValueError(f"odds are {odds}; expected three that add up to 1")
    drawn = uniform(whole, generator)
    falling = (drawn >= odds[0] + odds[1]) & present(fall)
    return torch.where(
        over(drawn < odds[0], whole), whole, torch.where(over(falling, whole), -fall, rise)
    )


def of_both_phases(rise: Tensor, fall: Tensor, with_fall: Tensor) -> Tensor:
    """Mean of what a network says of each phase, for a clip that is tested.

    Parameters
    ----------
    rise, fall : (B, classes) logits, of the rise's picture and of the negative of the fall's
    with_fall : (B,) bool
        `present` of the fall; a clip without one is judged by its rise.

    Returns
    -------
    (B, classes) probabilities
    """
    share = with_fall[:, None] / 2
    return (1 - share) * rise.softmax(1) + share * fall.softmax(1)


def present(phase: Tensor) -> Tensor:
    """Whether a phase holds anything at all: (B, …) -> (B,) bool."""
    return phase.flatten(1).ne(0).any(1)
