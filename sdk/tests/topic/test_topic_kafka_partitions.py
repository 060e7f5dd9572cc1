from embark.topic import Record
from embark.topic.kafka.partitions import OwnedPartitions


def filled(**counts: int) -> OwnedPartitions:
    """Return partitions `p0`, `p1` … with records starting at offset 100."""
    partitions = OwnedPartitions()
    for name, count in counts.items():
        partitions.assign([int(name[1:])])
        for i in range(count):
            partitions.add(record(int(name[1:]), 100 + i))
    return partitions


def record(partition: int, offset: int) -> Record:
    return Record("fills", partition, offset, b"key", b"value")


def places(records: list[Record]) -> list[tuple[int, int]]:
    return [(record.partition, record.offset) for record in records]


def test_partitions_share_the_returned_records_and_leave_no_room_unused() -> None:
    partitions = filled(p0=100, p1=2, p2=100)
    records = partitions.take(20)
    assert len(records) == 20
    by_partition = {p: [r.offset for r in records if r.partition == p] for p in (0, 1, 2)}
    assert by_partition[1] == [100, 101]
    assert abs(len(by_partition[0]) - len(by_partition[2])) <= 6
    assert all(offsets == list(range(100, 100 + len(offsets))) for offsets in by_partition.values())


def test_a_small_limit_reaches_every_partition_in_turn() -> None:
    partitions = filled(p0=10, p1=10, p2=10)
    assert {partitions.take(1)[0].partition for _ in range(3)} == {0, 1, 2}


def test_without_held_records_none_are_returned() -> None:
    assert filled(p0=0).take(10) == []
    assert OwnedPartitions().take(10) == []


def test_returned_records_may_be_committed_only_forwards() -> None:
    partitions = filled(p0=5)
    partitions.take(3)
    assert partitions.accept({0: 102}) == {0: 102}
    assert partitions.accept({0: 102}) == {}
    assert partitions.accept({0: 101}) == {}
    assert partitions.accept({0: 103}) == {0: 103}
    assert (partitions.accepted, partitions.refused) == ({0: 103}, 0)


def test_offsets_of_records_that_were_not_returned_are_refused() -> None:
    partitions = filled(p0=5)
    assert partitions.accept({0: 101, 7: 3}) == {}
    partitions.take(2)
    assert partitions.accept({0: 103}) == {}
    assert partitions.refused == 3


def test_a_revoked_partition_loses_its_records_and_offsets() -> None:
    partitions = filled(p0=5, p1=5)
    partitions.take(4)
    partitions.revoke([0, 9])
    assert partitions.owned == {1}
    assert {record.partition for record in partitions.take(10)} <= {1}
    assert partitions.accept({0: 101, 1: 101}) == {1: 101}
    partitions.add(record(0, 105))
    assert (partitions.held, partitions.refused) == (0, 1)


def test_a_reassigned_partition_accepts_only_records_returned_since() -> None:
    partitions = filled(p0=5)
    partitions.take(5)
    partitions.revoke([0])
    partitions.assign([0])
    partitions.add(record(0, 200))
    assert partitions.accept({0: 105}) == {}
    assert places(partitions.take(5)) == [(0, 200)]
    assert partitions.accept({0: 105}) == {}
    assert partitions.accept({0: 201}) == {0: 201}
    assert partitions.refused == 2


def test_each_partition_is_paused_and_resumed_once() -> None:
    partitions = filled(p0=1, p1=1, p2=0)
    assert partitions.pause(partitions.started()) == [0, 1]
    assert partitions.pause(partitions.started()) == []
    assert partitions.revoke([1, 2]) == [1]
    assert partitions.resume() == [0]
    assert partitions.resume() == []
