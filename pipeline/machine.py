"""What a worker's numbers depend on besides the code: its CPU and its libraries; and the code."""

import importlib.metadata
import platform
import socket
from functools import cache
from pathlib import Path

from features.base import digest, file_digest
from features.console import INTEGRITY, MerError

COMPUTING = ("mediapipe", "opencv-contrib-python", "numpy", "scipy", "numba", "av")


@cache
def numerics() -> str:
    """The numerics class of this process: results of one class are alike to the last bit.

    The number of workers changes no bit, but the instructions that a library finds on a CPU do:
    OpenCV's flow with and without FMA differs in the last places.
    """
    import cv2
    from llvmlite import binding

    libraries = [f"{name} {importlib.metadata.version(name)}" for name in COMPUTING]
    used = [word for word in cv2.getCPUFeaturesLine().split() if not word.endswith("?")]
    ipp = "IPP" if cv2.ipp.useIPP() else "no IPP"
    build = digest(cv2.getBuildInformation().encode())[:8]
    opencv = f"OpenCV {build} {' '.join(used)} {ipp}"
    return ", ".join([platform.machine(), binding.get_host_cpu_name(), *libraries, opencv])


@cache
def code() -> str:
    """Digest of the code that computes, as it lies on this machine."""
    here = Path(__file__).parent
    files = [path for top in (here.parent / "features", here) for path in top.rglob("*.py")]
    return digest("".join(path.name + file_digest(path) for path in sorted(files)).encode())


def check_code(expected: str) -> None:
    """Refuse to compute for a run that other code has planned.

    Raises
    ------
    MerError
        Exit code 4.
    """
    if code() != expected:
        raise MerError(
            f"the worker on {socket.gethostname()} runs other code than this run was begun with",
            "install the same merkit there and start its workers anew",
            INTEGRITY,
        )
