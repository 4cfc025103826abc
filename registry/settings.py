"""Settings of the registry's own programs."""

from pathlib import Path

from pydantic import Field

from core.runtime.settings import BrokerSettings, DatabaseSettings, LogSettings


class BrokerSyncSettings(DatabaseSettings, BrokerSettings, LogSettings):
    """What `anxin broker-sync` keeps equal to the registry, and how fast."""

    broker_password_file: Path = Field(
        description="Mosquitto's password_file; replaced whole, owner and mode as before.",
        examples=["/var/lib/anxin/mosquitto/passwd"],
    )
    broker_pid_file: Path | None = Field(
        default=None,
        description="File with Mosquitto's process id, to tell it to reload; left out: mosquitto.pid beside the "
        "password file. Where there is none, the broker must watch the password file itself.",
    )
    broker_keep_users: str = Field(
        default="platform",
        description="Comma-separated users of the broker that stay in the file though the registry has no row of them.",
    )
    broker_sync_poll_seconds: float = Field(
        default=2, ge=0.1, le=3, description="Longest time a missed notification delays a change of credentials."
    )
    broker_reload_gap_seconds: float = Field(
        default=1.5,
        ge=0.1,
        le=2,
        description="Least time between two reloads: each stops the broker for a moment (docs/adr/0004).",
    )

    @property
    def pid_file(self) -> Path:
        return self.broker_pid_file or self.broker_password_file.with_name("mosquitto.pid")

    @property
    def keep_users(self) -> frozenset[str]:
        return frozenset(name.strip() for name in self.broker_keep_users.split(",") if name.strip())
