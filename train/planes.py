"""What the planes of an input hold, as far as a change of the clip must know it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Plane:
    """What one plane holds.

    Parameters
    ----------
    mirrored : a mirror from left to right turns its sign
    grows : it is doubled when all motion is
    """

    mirrored: bool = False
    grows: bool = False


RIGHTWARD = Plane(mirrored=True, grows=True)  # u
DOWNWARD = Plane(grows=True)  # v
AMOUNT = Plane(grows=True)  # strain, a magnitude in px, a dynamic image
PICTURE = Plane()  # a frame; a share such as MM-COF's M or M sin
RIGHTWARD_SHARE = Plane(mirrored=True)  # MM-COF's M cos

FLOW = (RIGHTWARD, DOWNWARD)
STRAIN = (AMOUNT,)
IMAGE = (AMOUNT,) * 3  # a dynamic image of R, G, B
FRAME = (PICTURE,) * 3
