"""The client of EmbArk, for threads (EmbArkClient) and for asyncio (AsyncEmbArkClient)."""

from embark.client.aio import AsyncEmbArkClient
from embark.client.deadlines import OnMiss
from embark.client.errors import BadReplyError, InvalidRequestError, MissingEmbeddingsError, MixedSpacesError
from embark.client.results import Embeddings, Neighbours, Outcomes, RolloutDescription, SpaceDescription
from embark.client.threads import EmbArkClient
from embark.rpc.certificates import CertificateError, CertificateFiles
from embark.rpc.links import ClientTls
from embark.statuses import KeyStatus

__all__ = [
    "AsyncEmbArkClient",
    "BadReplyError",
    "CertificateError",
    "CertificateFiles",
    "ClientTls",
    "EmbArkClient",
    "Embeddings",
    "InvalidRequestError",
    "KeyStatus",
    "MissingEmbeddingsError",
    "MixedSpacesError",
    "Neighbours",
    "OnMiss",
    "Outcomes",
    "RolloutDescription",
    "SpaceDescription",
]
