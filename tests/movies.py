"""Videos and images for tests, broken in the ways that real copies are."""

from collections.abc import Iterable
from pathlib import Path

import av
import numpy as np
from PIL import Image


def write_video(path: Path, frames: Iterable[np.ndarray], fps: int = 100) -> Path:
    """Encode (H, W, 3) uint8 RGB frames, nearly without loss."""
    with av.open(str(path), "w") as container:
        stream = None
        for frame in frames:
            if stream is None:
                stream = container.add_stream("mpeg4", rate=fps)
                stream.height, stream.width = frame.shape[:2]
                stream.pix_fmt = "yuv420p"
                stream.codec_context.qmin = stream.codec_context.qmax = 1
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


def write_images(folder: Path, frames: Iterable[np.ndarray], first: int = 1) -> Path:
    """Save frames as img1.png, img2.png, …"""
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, start=first):
        Image.fromarray(frame).save(folder / f"img{number}.png")
    return folder


def cut_in_half(path: Path) -> None:
    """Leave the first half of a file, as an interrupted copy does."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
