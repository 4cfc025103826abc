"""What a simulated device keeps until it is acknowledged."""

from core.domain.event_types import Lane
from simulators.outbox import Outbox


def test_the_oldest_telemetry_goes_first_and_an_alarm_never():
    outbox = Outbox(telemetry_limit=3)
    for number in range(10):
        outbox.add(Lane.TELEMETRY, {"id": f"t{number}"})
        outbox.add(Lane.ALARM, {"id": f"a{number}"})
    assert [event["id"] for event in outbox.first(Lane.TELEMETRY, 99)] == ["t7", "t8", "t9"]
    assert outbox.waiting(Lane.ALARM) == 10
    assert outbox.dropped == 7


def test_events_stay_until_they_are_settled_even_when_some_were_dropped_meanwhile():
    outbox = Outbox(telemetry_limit=3)
    for number in range(3):
        outbox.add(Lane.TELEMETRY, {"id": number})
    sent = outbox.first(Lane.TELEMETRY, 2)
    outbox.add(Lane.TELEMETRY, {"id": 3})
    outbox.settle(Lane.TELEMETRY, sent)
    assert [event["id"] for event in outbox.first(Lane.TELEMETRY, 9)] == [2, 3]
