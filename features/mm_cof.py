"""MM-COF: rise and fall of an expression in one flow, its magnitude modulated.

Nguyen et al., "FMANet" (arXiv 2510.07810), proposes the magnitude-modulated combined optical
flow: M = θ₁M₁ + θ₂M₂ of the normalised magnitudes onset → apex and apex → offset, then salient
motion enhanced and weak motion suppressed by a threshold. How its direction is made, its θ,
thresholds and gains are not public: those here are ours.
"""

from dataclasses import dataclass

import numpy as np

from features.base import Array, Feature
from features.console import one_of
from features.kernel import kernel

NORMS = ("robust", "minmax")
MODULATIONS = ("step", "smooth")
LEAST, MOST = 5, 99  # percentiles that "robust" takes for the ends of the range
FLAT = 1e-6  # px, a range below which nothing stands out
STILL = 1e-6  # px, a length below which a direction fades to none


@dataclass(frozen=True, slots=True)
class MmCofConfig:
    """How the two phases are weighed and the weak motion is told from the salient.

    Parameters
    ----------
    theta
        Weight of the rise; the fall has the rest. 1 where the fall is not to be trusted.
    norm
        "robust": 5th to 99th percentile of a magnitude become 0 to 1, what is beyond is clipped
        (ours: one bad pixel does not set the range). "minmax": least to greatest, as the paper.
    modulation
        "step": magnitudes of `tau` and more are multiplied by `high`, others by `low`. "smooth":
        by low + (high - low) / (1 + exp(-steepness · (M - tau))).
    on_onset
        The fall is a flow on the apex's grid. True: it is taken where the rise has carried each
        pixel of the onset. False: pixel by pixel, as if the rise were 0.
    """

    theta: float = 0.6
    norm: str = "robust"
    modulation: str = "step"
    tau: float = 0.35
    low: float = 0.5
    high: float = 1.5
    steepness: float = 20.0  # of "smooth" alone
    on_onset: bool = True

    def __post_init__(self) -> None:
        if not 0 <= self.theta <= 1:
            raise ValueError(f"theta is {self.theta}; expected 0 to 1")
        one_of("norm", self.norm, NORMS)
        one_of("modulation", self.modulation, MODULATIONS)
        if not 0 <= self.low <= self.high:
            raise ValueError(f"low is {self.low}, high {self.high}; expected 0 ≤ low ≤ high")
        if self.steepness <= 0:
            raise ValueError(f"steepness is {self.steepness}; expected above 0")


def mm_cof(rise: Array, fall: Array, config: MmCofConfig) -> Array:
    """One flow of two phases, as direction times modulated magnitude, and that magnitude.

    The fall goes back the way the rise came. Added, the two would cancel; so magnitudes are
    added, and the direction is that of θ·rise - (1 - θ)·fall.

    Parameters
    ----------
    rise, fall : (2, H, W) float32, px
        Onset → apex and apex → offset; [0] = u, rightward; [1] = v, downward. A fall that is 0
        everywhere, of an offset that is the apex, has no weight: θ is 1.

    Returns
    -------
    (3, H, W) float32
        M·cos, M·sin and M, where M is the modulated magnitude, 0 to 1 and without unit, and the
        angle that of the combined direction: 0 rightward, π/2 downward. A flow of one length
        everywhere has M = 0: nothing stands out.

    Raises
    ------
    ValueError
        If the flows are not (2, H, W), both of one size.
    """
    if rise.ndim != 3 or len(rise) != 2 or rise.shape != fall.shape:
        raise ValueError(
            f"rise has shape {rise.shape}, fall {fall.shape}; expected twice (2, H, W)"
        )
    rise, fall = (np.ascontiguousarray(flow, np.float32) for flow in (rise, fall))
    theta = config.theta if fall.any() else 1.0
    if config.on_onset:
        fall = _carried(fall, rise)
    magnitude = theta * _normalised(np.hypot(*rise), config.norm)
    magnitude += (1 - theta) * _normalised(np.hypot(*fall), config.norm)
    magnitude = _modulated(magnitude, config)
    direction = theta * rise - (1 - theta) * fall
    direction /= np.hypot(*direction) + STILL
    return np.concatenate([magnitude * direction, magnitude[None]])


def _normalised(magnitude: Array, norm: str) -> Array:
    """(H, W) px -> (H, W) float32, 0 to 1."""
    least, most = np.percentile(magnitude, [LEAST, MOST] if norm == "robust" else [0, 100])
    if most - least < FLAT:
        return np.zeros_like(magnitude)
    return ((magnitude - np.float32(least)) / np.float32(most - least)).clip(0, 1)


def _modulated(magnitude: Array, config: MmCofConfig) -> Array:
    """(H, W) float32, 0 to 1, what is salient enhanced and the rest suppressed."""
    if config.modulation == "step":
        gain = np.where(magnitude >= config.tau, config.high, config.low)
    else:
        share = (1 + np.tanh(config.steepness * (magnitude - config.tau) / 2)) / 2  # the logistic
        gain = config.low + (config.high - config.low) * share
    return (magnitude * gain).clip(0, 1).astype(np.float32, copy=False)


@kernel()
def _carried(field, flow):  # type: ignore[no-untyped-def]
    """(C, H, W) field at x + flow(x), bilinear; beyond a border its nearest pixel.

    cv2.remap would round the positions to 1/32 px.
    """
    out = np.empty_like(field)
    channels, height, width = field.shape
    for i in range(height):
        for j in range(width):
            x, y = _within(j + flow[0, i, j], width), _within(i + flow[1, i, j], height)
            left, top = int(x), int(y)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            x, y = x - left, y - top
            for c in range(channels):
                above = (1 - x) * field[c, top, left] + x * field[c, top, right]
                below = (1 - x) * field[c, bottom, left] + x * field[c, bottom, right]
                out[c, i, j] = (1 - y) * above + y * below
    return out


@kernel()
def _within(position, length):  # type: ignore[no-untyped-def]
    if not position > 0:  # NaN too: it must not become an index
        return 0.0
    return min(position, length - 1.0)


FEATURE = Feature(
    mm_cof,
    MmCofConfig,
    needs=("flow", "flow"),
    units="1",
    axes="channel y x",
    convention="channel 0 = M cos, rightward; 1 = M sin, downward; 2 = M; M in 0 .. 1",
    revision=1,
)
