"""What it costs to pool a clip to one picture, and to give it another length.

CPU time of one thread on noise of the size of a clip, 32 frames of 224 × 224 RGB: what a frame
shows does not change the work, save for the steps of ranksvm's solver.
"""

import platform
import time

import cv2
import numpy as np
from rich.console import Console
from rich.table import Table

from features.dynamic_image import FITTED, FIXED, DynamicImageConfig, dynamic_image
from features.memory import keep_freed
from features.tim import METHODS, TimConfig, tim

SHAPE = (32, 224, 224, 3)


def milliseconds(function, *arguments):
    """Median CPU time of all threads of this process: other work does not count."""
    times = []
    for _ in range(15):
        started = time.process_time()
        function(*arguments)
        times.append(1e3 * (time.process_time() - started))
    return f"{np.median(times):.1f} ms"


def main() -> None:
    cv2.setNumThreads(1)
    keep_freed()  # as in a worker
    rng = np.random.default_rng(0)
    clip = rng.integers(0, 256, SHAPE, dtype=np.uint8)
    flows = rng.normal(size=(32, 2, 224, 224)).astype(np.float32)
    title = f"clip of {' × '.join(map(str, SHAPE))} uint8, {platform.machine()}"
    table = Table("what", "CPU time", title=title)
    for form in FIXED + FITTED:
        config = DynamicImageConfig(form)
        table.add_row(f"dynamic image, {form}", milliseconds(dynamic_image, clip, config))
    config = DynamicImageConfig()
    table.add_row("the same, harmonic, of float frames",
                  milliseconds(dynamic_image, clip.astype(np.float32), config))  # fmt: skip
    table.add_row("of 32 flows", milliseconds(dynamic_image, flows, config))
    config = DynamicImageConfig("linear", "intensity")
    table.add_row("MIDI: linear, by intensity", milliseconds(dynamic_image, clip, config))
    for method in METHODS:
        config = TimConfig(method=method)
        table.add_row(f"TIM to 10 frames, {method}", milliseconds(tim, clip, config))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
