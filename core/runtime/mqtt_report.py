"""What a session says about its link: one line per change, not one per attempt."""

import logging

from core.runtime.mqtt_url import BrokerAddress

log = logging.getLogger(__name__)


class LinkReport:
    """Remembers the last failure of one client id; a broker that is away for an hour is one line."""

    def __init__(self, client_id: str) -> None:
        self.client_id = client_id
        self.last_failure: str | None = None

    def connected(self, address: BrokerAddress, epoch: int) -> None:
        self.last_failure = None
        log.info(
            "connected to %s as %s",
            address,
            self.client_id,
            extra={"action": "mqtt.connected", "client_id": self.client_id, "epoch": epoch},
        )

    def failed(self, reason: str) -> None:
        if reason == self.last_failure:
            return
        self.last_failure = reason
        log.warning(
            "%s: %s; trying again",
            self.client_id,
            reason,
            extra={"action": "mqtt.disconnected", "client_id": self.client_id},
        )

    def session_lost(self) -> None:
        log.warning(
            "the broker no longer has the session of %s: what it queued for it is lost",
            self.client_id,
            extra={"action": "mqtt.session_lost", "client_id": self.client_id},
        )

    def crashed(self, error: BaseException) -> None:
        log.error(
            "the MQTT session %s stops: %s",
            self.client_id,
            type(error).__name__,
            exc_info=error,
            extra={"action": "mqtt.fatal", "client_id": self.client_id},
        )
