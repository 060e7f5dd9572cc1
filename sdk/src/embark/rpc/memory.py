"""Tells the C library to keep freed memory for the next request; servers call it before they serve."""

import ctypes
from typing import Final

# From glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_TOP_PAD: Final = -2
_M_MMAP_THRESHOLD: Final = -3

_KEPT: Final = 256 * 1024 * 1024
_PAD: Final = 64 * 1024 * 1024
_LARGEST: Final = 32 * 1024 * 1024
"""The most that glibc takes for the threshold of mmap."""


def keep_freed_memory() -> bool:
    """Let this process keep up to 256 MiB that it has freed; return whether its C library can be told so.

    By default glibc gives what a request of megabytes used back to the kernel at once, and the next request pays for
    every page anew: receiving a tensor of 600 kB then takes over twice the time. musl has no such setting.
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except AttributeError:
        return False
    settings = ((_M_MMAP_THRESHOLD, _LARGEST), (_M_TRIM_THRESHOLD, _KEPT), (_M_TOP_PAD, _PAD))
    return all(mallopt(ctypes.c_int(name), ctypes.c_int(value)) == 1 for name, value in settings)
