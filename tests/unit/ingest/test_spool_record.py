"""Records of the spool: bytes and back, torn at any byte, damaged anywhere."""

from hypothesis import given, settings
from hypothesis import strategies as st

from ingest.spool_record import MARK, Record, frame, split

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
RECORDS = st.builds(
    Record,
    topic=TEXT,
    payload=st.binary(max_size=200),
    received_at=st.floats(0, 4e9),
    qos=st.sampled_from([0, 1]),
    retain=st.booleans(),
    response_topic=st.none() | TEXT,
    correlation_data=st.none() | st.binary(max_size=20),
    keys=st.lists(st.tuples(st.none() | st.integers(0, 999), st.binary(min_size=16, max_size=16)), max_size=4).map(
        tuple
    ),
)


def records_in(data: bytes, *, whole: bool = True) -> list[Record]:
    return [placed.record for placed in split(data, whole=whole).records]


@given(st.lists(RECORDS, max_size=5))
def test_records_come_back_as_they_were(records):
    data = b"".join(map(frame, records))
    found = split(data, whole=True)
    assert [placed.record for placed in found.records] == records
    assert (found.used, found.tail, found.damaged) == (len(data), len(data), 0)


def test_a_write_torn_at_any_byte_leaves_the_records_before_it():
    records = [Record(f"topic/{n}", b"{}" * n, 1.5 * n) for n in range(3)]
    frames = [frame(record) for record in records]
    whole = b"".join(frames)
    for cut in range(len(whole) + 1):
        ends = [len(b"".join(frames[: n + 1])) for n in range(3)]
        kept = sum(end <= cut for end in ends)
        found = split(whole[:cut], whole=True)
        assert [placed.record for placed in found.records] == records[:kept]
        assert found.tail == ([0, *ends])[kept]
        assert found.damaged == 0


@settings(max_examples=300)
@given(st.lists(RECORDS, min_size=3, max_size=5), st.data())
def test_one_damaged_byte_costs_one_record_and_is_counted(records, data):
    frames = [frame(record) for record in records]
    hit = data.draw(st.integers(0, len(records) - 2))
    start = sum(map(len, frames[:hit]))
    at = start + data.draw(st.integers(0, len(frames[hit]) - 1))
    whole = bytearray(b"".join(frames))
    whole[at] ^= 1 << data.draw(st.integers(0, 7))
    found = split(bytes(whole), whole=True)
    assert [placed.record for placed in found.records] == records[:hit] + records[hit + 1 :]
    assert found.damaged == 1


@given(st.lists(RECORDS, min_size=1, max_size=4), st.integers(0, 400))
def test_read_in_two_pieces_the_first_leaves_what_is_not_finished(records, cut):
    data = b"".join(map(frame, records))
    cut = min(cut, len(data))
    first = split(data[:cut], whole=False)
    assert records_in(data[:cut], whole=False) + records_in(data[first.used :]) == records


@given(st.binary(max_size=300))
def test_any_bytes_at_all_end_without_an_error_and_behind_a_record_nothing_is_lost(noise):
    after = Record("t", b"behind", 1.0)
    assert records_in(noise + frame(after))[-1:] == [after] or MARK in noise
    split(noise, whole=False)
