"""The client of EmbArk, for threads (EmbArkClient) and for asyncio (AsyncEmbArkClient)."""

from embark.client.aio import AsyncEmbArkClient
from embark.client.embeddings import Embeddings, Neighbours, Outcomes
from embark.client.refusals import BadReplyError, InvalidRequestError, MissingEmbeddingsError, MixedSpacesError
from embark.client.rollouts import RolloutDescription
from embark.client.spaces import SpaceDescription
from embark.client.terms import OnMiss
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
