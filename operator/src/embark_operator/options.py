"""The options that the operator is started with: images, namespaces, the resync period."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Images:
    """The images of the services, and how kubelets pull them."""

    embark: str
    kfc: str
    retina: str
    retina_cuda: str = ""
    """For caches with provider cuda; if empty, such caches are not accepted."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one operator."""

    images: Images
    namespaces: tuple[str, ...] = ()
    """The namespaces whose caches are reconciled; empty for all."""
    resync: timedelta = timedelta(seconds=60)
    """How often every cache is reconciled, even without events."""
    namespace: str = ""
    """The namespace of the operator's own pods; if empty, it is unknown and could be any."""
