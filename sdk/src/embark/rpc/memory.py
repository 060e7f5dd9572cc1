"""Keeping freed memory in the process, for the next request."""

import ctypes
from typing import Final

# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3

_TRIM_THRESHOLD_BYTES: Final = 256 * 1024 * 1024
_TOP_PAD_BYTES: Final = 64 * 1024 * 1024
_MMAP_THRESHOLD_BYTES: Final = 32 * 1024 * 1024
"""glibc's maximum."""


def keep_freed_memory() -> bool:
    """Let this process keep up to 256 MiB that it has freed; return whether its C library supports that.

    By default glibc returns the memory of a request of megabytes to the kernel at once, and the next request pays for
    every page again: receiving a tensor of 600 kB takes more than twice the time. musl has no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = (
        (_M_MMAP_THRESHOLD, _MMAP_THRESHOLD_BYTES),
        (_M_TRIM_THRESHOLD, _TRIM_THRESHOLD_BYTES),
        (_M_TOP_PAD, _TOP_PAD_BYTES),
    )
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)
