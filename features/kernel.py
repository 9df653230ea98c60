"""Kernels: loops that numba compiles when one of them is first called, and keeps on disk.

numba alone takes 0.2 s to load, and a run that finds its work done calls no kernel.
"""

from collections.abc import Callable
from functools import update_wrapper
from threading import RLock
from typing import Any


def kernel(error_model: str = "python") -> Callable[[Callable[..., Any]], Any]:
    """Mark a function as a kernel; it may call the other kernels of its file, and no others.

    Parameters
    ----------
    error_model : "python" raises on a division by zero; "numpy" gives what numpy would, faster
    """
    return lambda function: Kernel(function, error_model)


class Kernel:
    """A function that is compiled, with all kernels of its file, when it is first called."""

    _one_at_a_time = RLock()

    def __init__(self, function: Callable[..., Any], error_model: str) -> None:
        self._function, self._error_model = function, error_model
        self._compiled: Callable[..., Any] | None = None
        update_wrapper(self, function)

    def __call__(self, *arguments: Any) -> Any:
        """Call the compiled function."""
        return (self._compiled or self._compile())(*arguments)

    def _compile(self) -> Callable[..., Any]:
        import numba

        file = self._function.__globals__  # where compiled code will look for what it calls
        with self._one_at_a_time:
            for name, one in list(file.items()):
                if isinstance(one, Kernel) and one._function.__globals__ is file:
                    options = {"cache": True, "nogil": True, "error_model": one._error_model}
                    one._compiled = file[name] = numba.njit(**options)(one._function)
        assert self._compiled is not None
        return self._compiled
