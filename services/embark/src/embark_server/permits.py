"""Who may call EmbArkService, by the names of its certificate; handlers guards every method of it with this."""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeVar

import grpc

from embark.rpc.peers import identities_of
from embark.spec.identities import matcher

T = TypeVar("T")

_DENIED: Final = "the identity of this client's certificate is not authorized (spec.tls.authorizedIdentities)"


class Permits:
    """Lets those call whose identity is one of `patterns`; without any, everyone. `refused` is called for others."""

    def __init__(self, patterns: Sequence[str], refused: Callable[[], object]) -> None:
        self._patterns = tuple(patterns)
        self._matches = matcher(patterns)
        self._refused = refused

    def guarded(self, behavior: Callable[[Any, grpc.ServicerContext], T]) -> Callable[[Any, grpc.ServicerContext], T]:
        """Return `behavior` for those who may call it; others are told PERMISSION_DENIED, and nothing of any data."""
        if not self._patterns:
            return behavior

        def permitted(request: Any, context: grpc.ServicerContext) -> T:
            if not self._matches(identities_of(context.auth_context())):
                self._refused()
                context.abort(grpc.StatusCode.PERMISSION_DENIED, _DENIED)
            return behavior(request, context)

        return permitted
