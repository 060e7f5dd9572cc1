"""Starts and drops consumer groups from outside; works alike for groups of both protocols."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.cluster import KafkaCluster, list_partitions
from embark.topic.kafka.errors import unwrap
from embark.topic.kafka.offsets import TRANSIENT, open_observer, read_commits, retry_transient
from embark.topic.kafka.options import KafkaAccess

T = TypeVar("T")
_TIMEOUT: Final = timedelta(seconds=30)
# By default the brokers remove a member that vanished without leaving after 45 s.
_DROP_TIMEOUT: Final = timedelta(seconds=60)
# librdkafka reports a request that timed out a moment later, with the cause.
_REPORT_SECONDS: Final = 5.0
# The brokers' reply to a commit from outside while the group has members, which only they may make.
_HAS_MEMBERS: Final = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP})


def start_at_end(
    settings: TopicSettings,
    group: str,
    access: KafkaAccess | None = None,
    *,
    offsets_of: str = "",
    timeout: timedelta = _TIMEOUT,
) -> bool:
    """Start a group at the present end of the fills topic; return False if it has started already.

    With `offsets_of` it starts at the offsets of that group, so that it reads what that group has yet to read. A group
    has started once it has committed anything, or has members. Partitions that are added later are read from their
    first record. May be called again, and concurrently.

    Raises:
        UnavailableError: the brokers do not answer within `timeout`, or refuse; the message names topic and group.
        InvalidSpecError: see KafkaTopic.
    """
    target = _Group(settings, group, access, timeout)
    with _open(target.cluster, group) as client, _open(target.cluster, offsets_of or group) as other:
        return _start_at_end(target, client, other if offsets_of else None)


def drop_group(
    settings: TopicSettings, group: str, access: KafkaAccess | None = None, *, timeout: timedelta = _DROP_TIMEOUT
) -> bool:
    """Delete a group with its commits once it has no members; return False if it does not exist.

    Raises:
        UnavailableError: it still has members after `timeout`, or as in start_at_end.
        InvalidSpecError: see KafkaTopic.
    """
    return _drop(_Group(settings, group, access, timeout))


class _Group:
    """A group with the deadline of its requests."""

    def __init__(self, settings: TopicSettings, group: str, access: KafkaAccess | None, timeout: timedelta) -> None:
        self.topic = settings.fills
        self.name = group
        self.cluster = KafkaCluster(settings.kafka, access, client_id="embark-groups")
        self.deadline = time.monotonic() + timeout.total_seconds()

    def __str__(self) -> str:
        return f"group {self.name} of {self.topic}"

    def retry(self, call: Callable[[float], T], transient: frozenset[int] = TRANSIENT) -> T:
        """Call as retry_transient does, until the deadline."""
        return retry_transient(call, self.deadline, transient)

    def commits(self, client: Consumer, numbers: Sequence[int]) -> dict[int, int]:
        """Return the offsets that the group of `client` has committed in the topic, by partition."""
        return read_commits(client, self.topic, numbers, self.deadline)


@contextmanager
def _open(cluster: KafkaCluster, group: str) -> Iterator[Consumer]:
    client = open_observer(cluster, group)
    try:
        yield client
    finally:
        client.close()


def _start_at_end(group: _Group, client: Consumer, other: Consumer | None) -> bool:
    try:
        numbers = group.retry(lambda seconds: list_partitions(client, group.topic, seconds))
        if group.commits(client, numbers):
            return False
        others = group.commits(other, numbers) if other else {}
        starts = {number: others.get(number, 0) for number in numbers} if other else {}
        offsets = [TopicPartition(group.topic, number, _offset(group, client, number, starts)) for number in numbers]
        group.retry(lambda _: _commit(client, offsets))
    except KafkaException as error:
        if unwrap(error).code() in _HAS_MEMBERS:
            return False
        client.poll(0)  # delivers the reports of its connections
        raise group.cluster.unavailable(str(group), error) from error
    return True


def _offset(group: _Group, client: Consumer, number: int, starts: Mapping[int, int]) -> int:
    """Return the offset in `starts`, within what the partition has, or else the end of the partition."""
    found = group.retry(lambda seconds: client.get_watermark_offsets(TopicPartition(group.topic, number), seconds))
    if found is None:
        raise UnavailableError("topic", f"{group}: no answer in time")
    low, high = found
    return min(high, max(low, starts.get(number, high)))


def _commit(client: Consumer, offsets: list[TopicPartition]) -> None:
    for partition in client.commit(offsets=offsets, asynchronous=False) or ():
        if partition.error is not None:
            raise KafkaException(partition.error)


def _drop(group: _Group) -> bool:
    admin = group.cluster.open_admin()
    try:
        group.retry(lambda seconds: _delete(admin, group, seconds), TRANSIENT | {KafkaError.NON_EMPTY_GROUP})
    except KafkaException as error:
        code = unwrap(error).code()
        if code == KafkaError.GROUP_ID_NOT_FOUND:
            return False
        if code == KafkaError.NON_EMPTY_GROUP:
            why = f"{group} still has members; it can be dropped once they have stopped"
            raise UnavailableError("topic", why) from error
        raise group.cluster.unavailable(str(group), error, admin) from error
    return True


def _delete(admin: AdminClient, group: _Group, seconds: float) -> None:
    admin.poll(0)  # delivers librdkafka's log, which would otherwise never be delivered
    future = admin.delete_consumer_groups([group.name], request_timeout=seconds)[group.name]
    try:
        future.result(seconds + _REPORT_SECONDS)
    except TimeoutError as error:
        raise UnavailableError("topic", f"{group}: no answer in time") from error
