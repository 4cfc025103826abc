"""The words of alerts, exactly as the contract spells them (contract §2)."""

from datetime import timedelta
from enum import StrEnum


class Severity(StrEnum):
    P0 = "p0"
    P1 = "p1"
    P2 = "p2"
    P3 = "p3"

    def is_more_urgent_than(self, other: "Severity") -> bool:
        return self.value < other.value


class Status(StrEnum):
    PENDING_CONFIRM = "pending_confirm"
    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    VERIFYING = "verifying"
    DISPATCHED = "dispatched"
    ON_SCENE = "on_scene"
    RESOLVED = "resolved"
    CLOSED = "closed"


# The statuses that hold the unique key (subject, rule).
LIVE = frozenset(Status) - {Status.RESOLVED, Status.CLOSED}
# Somebody has taken it.
HELD = frozenset({Status.ACKNOWLEDGED, Status.VERIFYING, Status.DISPATCHED, Status.ON_SCENE})


class SubjectKind(StrEnum):
    ELDER = "elder"
    DWELLING = "dwelling"
    DEVICE = "device"


class Action(StrEnum):
    """What a person can do to an alert: `POST /alerts/{id}/<action>`."""

    ACKNOWLEDGE = "acknowledge"
    RELEASE = "release"
    TAKEOVER = "takeover"
    ASSIST = "assist"
    CALL = "call"
    VERIFY = "verify"
    DISPATCH = "dispatch"
    ARRIVE = "arrive"
    RESOLVE = "resolve"
    CLOSE = "close"
    REOPEN = "reopen"
    NOTE = "note"


class EventKind(StrEnum):
    """Types of alert_event and of live frames."""

    PENDING = "alert.pending"  # a confirm window began; `opened` or `closed` follows
    OPENED = "alert.opened"
    PRESSED = "alert.pressed"
    UPGRADED = "alert.upgraded"
    DOWNGRADED = "alert.downgraded"
    CONDITION_CLEARED = "alert.condition_cleared"
    ACKNOWLEDGED = "alert.acknowledged"
    RELEASED = "alert.released"
    TAKEN_OVER = "alert.taken_over"
    ASSISTED = "alert.assisted"
    CALLED = "alert.called"
    VERIFIED = "alert.verified"
    DISPATCHED = "alert.dispatched"
    ARRIVED = "alert.arrived"
    RESOLVED = "alert.resolved"
    CLOSED = "alert.closed"
    REOPENED = "alert.reopened"
    NOTED = "alert.noted"


class ActorKind(StrEnum):
    DEVICE = "device"
    SYSTEM = "system"
    ACCOUNT = "account"
    ELDER = "elder"


class CloseCode(StrEnum):
    """Codes the platform itself closes with. People choose other words; these two are refused from them."""

    CANCELLED_BY_ELDER = "cancelled_by_elder"
    AUTO_CLEARED = "auto_cleared"


class CallResult(StrEnum):
    ANSWERED_OK = "answered_ok"
    ANSWERED_HELP = "answered_help"
    NO_ANSWER = "no_answer"
    REFUSED = "refused"
    WRONG = "wrong"


class Verdict(StrEnum):
    REAL = "real"
    FALSE = "false"
    NO_ANSWER = "no_answer"  # counts as real


EXTERNAL_SERVICES = ("120", "119", "110")

# Reasons of a false alarm (domain §3.4); closing with one of them says that nobody was in need.
FALSE_CODES = frozenset(
    {
        "false",
        "false_alarm",
        "accidental_press",
        "bathing",
        "visitor",
        "pet",
        "cooking",
        "device_fault",
        "forgot_away",
        "test",
    }
)

# An event older than this when the rules hear of it is `delayed` (domain §6.1-6).
DELAYED_AFTER = timedelta(minutes=10)
# "I am fine" counts for a fall up to this long after it, by the devices' own times.
ELDER_OK_WINDOW = timedelta(seconds=30)
# A holder whose last console was seen longer ago than this is lost: anyone may take the alert over.
HOLDER_LOST_AFTER = timedelta(seconds=45)
REOPEN_WITHIN = timedelta(hours=24)
