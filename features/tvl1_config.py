"""Settings of TV-L1 optical flow, for `features.tvl1` and for its twin on GPUs, `train.tvl1`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tvl1Config:
    """Settings of TV-L1, after Sánchez, Meinhardt-Llopis and Facciolo, IPOL 2013.

    OpenCV's defaults, 5 scales of 0.8, 5 warps and up to 300 iterations, take it 40 times as
    long as ours take us, for more error (`benchmarks/flow.py`).
    """

    scales: int = 5  # of the pyramid at most
    scale_step: float = 0.5  # size of a scale in that of the next finer one
    warps: int = 2  # linearisations a scale
    iterations: int = 30  # a warp
    attachment: float = 0.15  # lambda: weight of the data; less is smoother
    tightness: float = 0.3  # theta: how far the data's and the smooth flow may differ
    time_step: float = 0.25  # tau; converges up to 0.25
    median: int = 5  # px, side of the filter after each warp: 3 or 5; 0 = none

    def __post_init__(self) -> None:
        if min(self.scales, self.warps, self.iterations) < 1:
            raise ValueError(
                f"scales {self.scales}, warps {self.warps} and iterations {self.iterations}"
                " must be at least 1"
            )
        if not 0.3 <= self.scale_step <= 0.95:
            raise ValueError(f"scale_step is {self.scale_step}; expected 0.3 to 0.95")
        if min(self.attachment, self.tightness) <= 0:
            raise ValueError("attachment and tightness must be above 0")
        if not 0 < self.time_step <= 0.25:
            raise ValueError(f"time_step is {self.time_step}; expected above 0, at most 0.25")
        if self.median not in (0, 3, 5):
            raise ValueError(f"median is {self.median} px; expected 0, 3 or 5")

    def sizes(self, height: int, width: int) -> list[tuple[int, int]]:
        """Height and width of each scale, coarse to fine; none below 16 px but the finest."""
        factors = [self.scale_step**k for k in range(self.scales)]
        sizes = [(round(height * factor), round(width * factor)) for factor in factors]
        return [size for size in sizes[:0:-1] if min(size) >= 16] + sizes[:1]
