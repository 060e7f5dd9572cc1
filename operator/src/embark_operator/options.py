"""What the operator is told when it starts: images, where it looks, how often; parsed by `__main__` alone."""

from dataclasses import dataclass
from datetime import timedelta


@dataclass(frozen=True, slots=True)
class Images:
    """The images of the services, and how kubelets pull them."""

    embark: str
    kfc: str
    retina: str
    retina_cuda: str = ""
    """For provider cuda; empty: such caches are not accepted."""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one operator."""

    images: Images
    namespaces: tuple[str, ...] = ()
    """Whose caches are reconciled; empty: those of every namespace."""
    resync: timedelta = timedelta(seconds=60)
    """Every cache is reconciled so often, even if no event came."""
    namespace: str = ""
    """Where the operator's own pods are; empty: not known, and any namespace is taken for it."""
