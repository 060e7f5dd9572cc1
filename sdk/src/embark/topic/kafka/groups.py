"""Consumer groups from outside: where one begins, and its end; the commands of a rollout call it.

Both protocols of groups are served alike: what is asked here is told of a group by its name, not of its members.
"""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from typing import Final, TypeVar

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient

from embark.errors import UnavailableError
from embark.settings import TopicSettings
from embark.topic.kafka.cluster import KafkaCluster, error_of, partitions_of
from embark.topic.kafka.commits import PASSING, ask_again, open_outsider, read_commits
from embark.topic.kafka.options import KafkaAccess

T = TypeVar("T")
_PATIENCE: Final = timedelta(seconds=30)
# A member that vanished without leaving is missed by the brokers after 45 s, unless they are set up otherwise.
_DROP_PATIENCE: Final = timedelta(seconds=60)
# What librdkafka gives up, it reports a moment later, with what is wrong.
_ANSWER_SECONDS: Final = 5.0
# What brokers answer to a commit from outside while the group has members: for those alone to make.
_HAS_MEMBERS: Final = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP})


def start_at_end(
    settings: TopicSettings,
    group: str,
    access: KafkaAccess | None = None,
    *,
    offsets_of: str = "",
    patience: timedelta = _PATIENCE,
) -> bool:
    """Let a group begin at the present end of the fills topic; return False where it has begun already.

    With `offsets_of` it begins where that group is, so that it reads what that group has yet to read. A group has begun
    once it has committed anything, or has members. Of partitions that are added later it reads every record. May be
    called again, and by several at once.

    Raises:
        UnavailableError: the brokers do not answer within `patience`, or refuse; the message names topic and group.
        InvalidSpecError: see KafkaTopic.
    """
    asked = _Group(settings, group, access, patience)
    with _open(asked.cluster, group) as client, _open(asked.cluster, offsets_of or group) as other:
        return _join_at_end(asked, client, other if offsets_of else None)


def drop_group(
    settings: TopicSettings, group: str, access: KafkaAccess | None = None, *, patience: timedelta = _DROP_PATIENCE
) -> bool:
    """Delete a group with its commits, once it has no member; return False where it is not there.

    Raises:
        UnavailableError: it still has members after `patience`, or as in start_at_end.
        InvalidSpecError: see KafkaTopic.
    """
    return _drop(_Group(settings, group, access, patience))


class _Group:
    """One group, asked about for as long as `patience`."""

    def __init__(self, settings: TopicSettings, group: str, access: KafkaAccess | None, patience: timedelta) -> None:
        self.topic: Final = settings.fills
        self.name: Final = group
        self.cluster: Final = KafkaCluster(settings.kafka, access, client_id="embark-groups")
        self.deadline: Final = time.monotonic() + patience.total_seconds()

    def __str__(self) -> str:
        return f"group {self.name} of {self.topic}"

    def ask(self, ask: Callable[[float], T], passing: frozenset[int] = PASSING) -> T:
        """Return what ask_again does, within the patience."""
        return ask_again(ask, self.deadline, passing)

    def commits(self, client: Consumer, numbers: Sequence[int]) -> dict[int, int]:
        """Return what the group of `client` has committed in the topic, by partition."""
        return read_commits(client, self.topic, numbers, self.deadline)


@contextmanager
def _open(cluster: KafkaCluster, group: str) -> Iterator[Consumer]:
    client = open_outsider(cluster, group)
    try:
        yield client
    finally:
        client.close()


def _join_at_end(group: _Group, client: Consumer, other: Consumer | None) -> bool:
    try:
        numbers = group.ask(lambda seconds: partitions_of(client, group.topic, seconds))
        if group.commits(client, numbers):
            return False
        others = group.commits(other, numbers) if other else {}
        begins = {number: others.get(number, 0) for number in numbers} if other else {}
        ends = [TopicPartition(group.topic, number, _end(group, client, number, begins)) for number in numbers]
        group.ask(lambda _: _commit(client, ends))
    except KafkaException as error:
        if error_of(error).code() in _HAS_MEMBERS:
            return False
        client.poll(0)  # calls back with what its connections reported
        raise group.cluster.unavailable(str(group), error) from error
    return True


def _end(group: _Group, client: Consumer, number: int, begins: Mapping[int, int]) -> int:
    """Return where a partition ends, or the other group is in it: one without a commit there is at its begin."""
    found = group.ask(lambda seconds: client.get_watermark_offsets(TopicPartition(group.topic, number), seconds))
    if found is None:
        raise UnavailableError("topic", f"{group}: no answer in time")
    low, high = found
    return min(high, max(low, begins.get(number, high)))


def _commit(client: Consumer, offsets: list[TopicPartition]) -> None:
    for partition in client.commit(offsets=offsets, asynchronous=False) or ():
        if partition.error is not None:
            raise KafkaException(partition.error)


def _drop(group: _Group) -> bool:
    admin = group.cluster.open_admin()
    try:
        group.ask(lambda seconds: _delete(admin, group, seconds), PASSING | {KafkaError.NON_EMPTY_GROUP})
    except KafkaException as error:
        code = error_of(error).code()
        if code == KafkaError.GROUP_ID_NOT_FOUND:
            return False
        if code == KafkaError.NON_EMPTY_GROUP:
            why = f"{group} still has members, and is dropped once they have ended"
            raise UnavailableError("topic", why) from error
        raise group.cluster.unavailable(str(group), error, admin) from error
    return True


def _delete(admin: AdminClient, group: _Group, seconds: float) -> None:
    admin.poll(0)  # serves librdkafka's log, which would wait for ever otherwise
    asked = admin.delete_consumer_groups([group.name], request_timeout=seconds)[group.name]
    try:
        asked.result(seconds + _ANSWER_SECONDS)
    except TimeoutError as error:
        raise UnavailableError("topic", f"{group}: no answer in time") from error
