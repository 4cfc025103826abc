"""Settings of the API: where it listens, how long tokens live, how patient the live stream is."""

from ipaddress import ip_address
from pathlib import Path

from pydantic import Field, model_validator

from core.runtime.settings import BrokerSettings, DatabaseSettings, KeySettings, LogSettings


class ApiSettings(DatabaseSettings, BrokerSettings, KeySettings, LogSettings):
    """The API process. Broker settings serve the readiness check and the emergency path."""

    api_host: str = Field(default="127.0.0.1", description="Address the API listens on; a name or an IP address.")
    api_port: int = Field(default=8080, ge=0, le=65535, description="TCP port of the API; 0 takes a free one.")
    api_demo: bool = Field(
        default=False, description="Demo mode: known accounts exist, so only loopback may be listened on."
    )
    api_ready_file: Path | None = Field(
        default=None, description="File that gets the address actually listened on, once requests are answered."
    )

    access_token_seconds: int = Field(
        default=900, ge=5, le=3600, description="Life of an access token. A live socket renews before it runs out."
    )
    refresh_token_seconds: int = Field(
        default=2_592_000, ge=60, le=31_536_000, description="Life of a refresh token since its last use (30 d)."
    )
    refresh_grace_seconds: float = Field(
        default=30, ge=0, le=300, description="How long the previous refresh token still works: an answer may get lost."
    )
    sign_in_delay_max_seconds: float = Field(
        default=8, ge=0, le=60, description="Longest wait before a password is checked after many failures."
    )

    request_body_max_bytes: int = Field(
        default=1_048_576, ge=1024, le=67_108_864, description="Largest request body; above it the answer is 413."
    )
    idempotency_wait_seconds: float = Field(
        default=2, ge=0.1, le=30, description="How long a repeated POST waits for the first one before it gets 409."
    )

    live_first_message_seconds: float = Field(
        default=5, ge=0.1, le=60, description="A socket without a header must send its token within this time."
    )
    live_heartbeat_seconds: float = Field(default=15, ge=0.1, le=60, description="Pause between heartbeats.")
    live_queue_frames: int = Field(
        default=1000, ge=8, le=100_000, description="Frames waiting for one socket; one more and it is too slow (4429)."
    )
    live_replay_max_events: int = Field(
        default=10_000, ge=0, le=1_000_000, description="Most missed events sent after a resume; beyond it: reset."
    )
    live_access_check_seconds: float = Field(
        default=2, ge=0.1, le=4, description="Pause between checks of every connected account's scope and session."
    )
    live_database_connections: int = Field(
        default=6, ge=4, le=50, description="Connections kept for the live stream, beside those for requests."
    )
    live_poll_seconds: float = Field(
        default=0.5, ge=0.05, le=10, description="Poll for alert events beside NOTIFY: the worst added delay."
    )

    emergency_wait_ms: int = Field(
        default=1000,
        ge=100,
        le=10_000,
        description="How long an alarm may take to be stored before it rings as provisional.",
    )
    emergency_kept_seconds: int = Field(
        default=3600,
        ge=60,
        le=86_400,
        description="How long a provisional alert that somebody took is shown though it is never stored.",
    )
    emergency_map_refresh_seconds: float = Field(
        default=60,
        ge=1,
        le=60,
        description="Longest age of what the emergency path knows of devices and elders, beside notifications.",
    )

    engine_cycle_max_seconds: float = Field(
        default=15, ge=1, le=600, description="Age at which the engine's last cycle makes this API not ready."
    )
    stop_grace_seconds: int = Field(
        default=8, ge=1, le=120, description="How long running requests may finish after a stop."
    )

    @model_validator(mode="after")
    def _demo_stays_home(self) -> "ApiSettings":
        if self.api_demo and not is_loopback(self.api_host):
            raise ValueError(f"demo mode listens on loopback only, not on {self.api_host}")
        return self


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
