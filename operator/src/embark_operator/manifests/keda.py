"""Scalers of KEDA, which reads the lag from the brokers and can scale to zero.

The fields are those of KEDA's reference (ScaledObject specification, Apache Kafka scaler).
"""

from collections.abc import Sequence
from typing import Final

from embark.settings import KfcSettings
from embark.spec import Kafka
from embark.spec.backends import SaslMechanism
from embark_operator.cluster.kinds import SCALED_OBJECT, TRIGGER_AUTHENTICATION
from embark_operator.manifests.children import Component, build_child
from embark_operator.manifests.scaling import Bounds, build_behavior
from embark_operator.names import Manifest

_POLLING_SECONDS: Final = 15
_SASL: Final = {
    SaslMechanism.PLAIN: "plaintext",
    SaslMechanism.SCRAM_SHA_256: "scram_sha256",
    SaslMechanism.SCRAM_SHA_512: "scram_sha512",
}


def build_scaled_object(
    component: Component, kafka: Kafka, bounds: Bounds, triggers: Sequence[Manifest]
) -> list[Manifest]:
    """Return the ScaledObject of a component, after the credentials that KEDA needs at the brokers, if any."""
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": component.name},
        "pollingInterval": _POLLING_SECONDS,
        # How long a component that can scale to zero keeps its replicas without lag.
        "cooldownPeriod": bounds.down_after_seconds,
        "minReplicaCount": bounds.min,
        "maxReplicaCount": bounds.max,
        "advanced": {"horizontalPodAutoscalerConfig": {"behavior": build_behavior(bounds)}},
        "triggers": list(triggers),
    }
    scaled = build_child(component, SCALED_OBJECT.api_version, SCALED_OBJECT.name, {"spec": spec})
    return [*_authentication(component, _secret_parameters(kafka)), scaled]


def lag_trigger(component: Component, settings: KfcSettings, threshold: int) -> Manifest:
    """Return the trigger that scales a component by the lag of its space's KFC: a replica per `threshold` records."""
    trigger: Manifest = {"type": "kafka", "metadata": _metadata(settings, threshold)}
    if _secret_parameters(settings.topic.kafka):
        trigger["authenticationRef"] = {"name": component.name}
    return trigger


def cpu_trigger(component: Component, percent: int) -> Manifest:
    """Return the trigger that scales a component by the CPU of its own container, in percent of the request."""
    metadata = {"value": str(percent), "containerName": component.title}
    return {"type": "cpu", "metricType": "Utilization", "metadata": metadata}


def _metadata(settings: KfcSettings, threshold: int) -> dict[str, str]:
    kafka = settings.topic.kafka
    metadata = {
        "bootstrapServers": ",".join(kafka.bootstrap_servers),
        "consumerGroup": settings.consumer_group,
        "topic": settings.topic.fills,
        "lagThreshold": str(threshold),
        # A group that has committed nothing starts at the beginning, as KFC does: all records are its lag.
        "offsetResetPolicy": "earliest",
    }
    if kafka.credentials_secret:
        metadata["sasl"] = _SASL[kafka.sasl_mechanism]
    if kafka.tls_secret:
        metadata["tls"] = "enable"
    return metadata


def _secret_parameters(kafka: Kafka) -> list[Manifest]:
    """Return the key of a Secret for each parameter of the trigger; a missing key leaves the parameter empty."""
    secrets = (
        (kafka.credentials_secret, {"username": "username", "password": "password"}),
        (kafka.tls_secret, {"ca": "ca.crt", "cert": "tls.crt", "key": "tls.key"}),
    )
    return [
        {"parameter": parameter, "name": secret, "key": key}
        for secret, parameters in secrets
        if secret
        for parameter, key in parameters.items()
    ]


def _authentication(component: Component, parameters: list[Manifest]) -> list[Manifest]:
    if not parameters:
        return []
    kind = TRIGGER_AUTHENTICATION
    return [build_child(component, kind.api_version, kind.name, {"spec": {"secretTargetRef": parameters}})]
