"""TV-L1 optical flow of many pairs at once, on a GPU or on the processor.

The twin of `features.tvl1`: same algorithm, same settings, same flow to a hundredth of a pixel.
A pair alone is slower here than there; a batch shares every launch.
"""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, interpolate, pad

from features.tvl1_config import Tvl1Config

POLE = 3**0.5 - 2  # of the cubic B-spline's prefilter
FLAT = 1e-6  # added to squared gradients, which divide


@torch.no_grad()
def tvl1(onset: Tensor, apex: Tensor, config: Tvl1Config) -> Tensor:
    """Flow from each onset to its apex.

    Parameters
    ----------
    onset, apex : (B, H, W) float32, grey levels 0 … 255, on the same device

    Returns
    -------
    (B, 2, H, W) float32 px: u rightward, v downward; on that device

    Raises
    ------
    ValueError
        If the frames are not two (B, H, W) of one size.
    """
    if onset.shape != apex.shape or onset.ndim != 3:
        raise ValueError(
            f"frames are {tuple(onset.shape)} and {tuple(apex.shape)}; expected (B, H, W) twice"
        )
    onset, apex = onset[:, None], apex[:, None]
    flow = onset.new_zeros(len(onset), 2, 1, 1)
    for size in config.sizes(*onset.shape[2:]):
        first, second = resized(onset, size), resized(apex, size)
        grown = [new / old for new, old in zip(size[::-1], flow.shape[:1:-1], strict=True)]
        flow = resized(flow, size) * flow.new_tensor(grown).view(2, 1, 1)
        splines = coefficients(second)
        duals = flow.new_zeros(2, *flow.shape)  # of ∂/∂x and ∂/∂y
        for _ in range(config.warps):
            seen = linearise(first, splines, flow)
            for _ in range(config.iterations):
                flow, duals = iterate(flow, duals, *seen, config)
            if config.median:
                flow = median(flow, config.median)
    return flow


def resized(planes: Tensor, size: tuple[int, int]) -> Tensor:
    """(B, C, …) planes at another size, bilinear."""
    return interpolate(planes, size, mode="bilinear", align_corners=False)


def coefficients(planes: Tensor) -> Tensor:
    """(B, 1, H, W) -> (B, 1, H + 4, W + 4) weights of B-splines, as in `features.spline`."""
    taps = POLE ** (torch.arange(15, device=planes.device) - 7).abs().to(planes)
    taps = taps / taps.sum()
    planes = conv2d(pad(planes, (7, 7, 0, 0), "reflect"), taps.view(1, 1, 1, 15))
    planes = conv2d(pad(planes, (0, 0, 7, 7), "reflect"), taps.view(1, 1, 15, 1))
    return pad(planes, (2, 2, 2, 2), "reflect")


def weights(t: Tensor) -> list[Tensor]:
    """The cubic B-spline at -1 - t, -t, 1 - t and 2 - t."""
    s = 1 - t
    return [s**3 / 6, (4 + 3 * t * t * (t - 2)) / 6, (4 + 3 * s * s * (s - 2)) / 6, t**3 / 6]


def slopes(t: Tensor) -> list[Tensor]:
    """Derivatives of `weights` by t."""
    s = 1 - t
    return [-s * s / 2, t * (3 * t - 4) / 2, -s * (3 * s - 4) / 2, t * t / 2]


def linearise(first: Tensor, splines: Tensor, flow: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Look at the apex through the flow.

    Returns
    -------
    its gradient (B, 2, H, W), the square of that and the residual of no flow (B, 1, H, W)
    """
    _, _, height, width = first.shape
    x = torch.arange(width, device=flow.device) + flow[:, 0]
    y = torch.arange(height, device=flow.device)[:, None] + flow[:, 1]
    x, y = x.clamp(0, width - 1), y.clamp(0, height - 1)
    left, top = x.floor(), y.floor()
    corner = (top.long() + 1) * (width + 4) + left.long() + 1  # of the 4 × 4 taps
    s, t = x - left, y - top
    columns = list(zip(weights(s), slopes(s), strict=True))
    value, dx, dy = (torch.zeros_like(x) for _ in range(3))
    flat = splines.flatten(1)
    for i, (wy, sy) in enumerate(zip(weights(t), slopes(t), strict=True)):
        for j, (wx, sx) in enumerate(columns):
            tap = flat.gather(1, (corner + i * (width + 4) + j).flatten(1)).view_as(x)
            value += wy * wx * tap
            dx += wy * sx * tap
            dy += sy * wx * tap
    gradient = torch.stack([dx, dy], dim=1)  # (B, 2, H, W)
    square = gradient.square().sum(1, keepdim=True) + FLAT
    return gradient, square, value[:, None] - first - (gradient * flow).sum(1, keepdim=True)


def iterate(
    flow: Tensor, duals: Tensor, gradient: Tensor, square: Tensor, rest: Tensor, config: Tvl1Config
) -> tuple[Tensor, Tensor]:
    """One primal and one dual step; duals are (2, B, 2, H, W)."""
    most = config.attachment * config.tightness * square
    rho = rest + (gradient * flow).sum(1, keepdim=True)
    move = rho.clamp(-most, most) / square
    px, py = duals
    spread = px - pad(px[..., :-1], (1, 0)) + py - pad(py[..., :-1, :], (0, 0, 1, 0))
    flow = flow + config.tightness * spread - move * gradient
    rate = config.time_step / config.tightness
    slope = torch.stack([pad(flow.diff(dim=3), (0, 1)), pad(flow.diff(dim=2), (0, 0, 0, 1))])
    length = slope.square().sum(0).sqrt()
    return flow, (duals + rate * slope) / (1 + rate * length)


def median(planes: Tensor, side: int) -> Tensor:
    """Median of the side × side px around each pixel, the border repeated."""
    half = side // 2
    wide = pad(planes, (half, half, half, half), "replicate")
    near = wide.unfold(2, side, 1).unfold(3, side, 1)  # (B, 2, H, W, side, side)
    return near.flatten(4).median(-1).values
