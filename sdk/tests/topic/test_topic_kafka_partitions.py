from embark.topic import Record
from embark.topic.kafka.partitions import OwnedPartitions


def filled(**counts: int) -> OwnedPartitions:
    """Partitions `p0`, `p1` … with records from offset 100 on."""
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


def test_partitions_share_what_is_handed_out_and_leave_no_room_unused() -> None:
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


def test_nothing_held_hands_out_nothing() -> None:
    assert filled(p0=0).take(10) == []
    assert OwnedPartitions().take(10) == []


def test_what_was_handed_out_may_be_committed_and_moves_on_only() -> None:
    partitions = filled(p0=5)
    partitions.take(3)
    assert partitions.accept({0: 102}) == {0: 102}
    assert partitions.accept({0: 102}) == {}
    assert partitions.accept({0: 101}) == {}
    assert partitions.accept({0: 103}) == {0: 103}
    assert (partitions.kept, partitions.refused) == ({0: 103}, 0)


def test_what_was_not_handed_out_is_refused() -> None:
    partitions = filled(p0=5)
    assert partitions.accept({0: 101, 7: 3}) == {}
    partitions.take(2)
    assert partitions.accept({0: 103}) == {}
    assert partitions.refused == 3


def test_a_partition_that_is_revoked_takes_its_records_and_offsets_along() -> None:
    partitions = filled(p0=5, p1=5)
    partitions.take(4)
    partitions.revoke([0, 9])
    assert partitions.owned == {1}
    assert {record.partition for record in partitions.take(10)} <= {1}
    assert partitions.accept({0: 101, 1: 101}) == {1: 101}
    partitions.add(record(0, 105))
    assert (partitions.held, partitions.refused) == (0, 1)


def test_a_partition_that_comes_back_accepts_only_what_it_hands_out_from_then_on() -> None:
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


def test_partitions_are_halted_and_go_on_once_each() -> None:
    partitions = filled(p0=1, p1=1, p2=0)
    assert partitions.halt(partitions.begun()) == [0, 1]
    assert partitions.halt(partitions.begun()) == []
    assert partitions.revoke([1, 2]) == [1]
    assert partitions.go_on() == [0]
    assert partitions.go_on() == []
