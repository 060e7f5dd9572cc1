"""Distributed tracing: the W3C Trace Context of a call."""

from typing import Final

TRACEPARENT: Final = "traceparent"
"""The name of the metadata of a call, and of the header of a fill, that carries its trace."""
