"""Settings of an ingest worker."""

from pathlib import Path
from typing import Literal

from pydantic import Field, model_validator

from core.runtime.places import default_data_dir
from core.runtime.settings import BrokerSettings, DatabaseSettings, LogSettings


class IngestSettings(DatabaseSettings, BrokerSettings, LogSettings):
    """One worker: `anxin ingest --worker N`."""

    ingest_worker: int = Field(
        default=1, ge=1, le=999, description="Number of this worker; no two running workers may share one."
    )
    ingest_workers: int = Field(
        default=1,
        ge=1,
        le=64,
        description="How many workers there are, the same for all: each takes its part of the devices' telemetry.",
    )
    ingest_subscription: Literal["partitioned", "shared"] = Field(
        default="partitioned",
        description="partitioned: every worker reads all telemetry and takes its devices'. shared: the broker deals "
        "messages out; only for a broker that keeps shared subscriptions over a restart, which Mosquitto does not.",
    )
    ingest_client_id_prefix: str = Field(
        default="anxin-ingest",
        pattern="^[a-z0-9-]{1,40}$",
        description="Start of the worker's stable MQTT client ids; changing it leaves the old sessions at the broker.",
    )
    ingest_batch_max_events: int = Field(
        default=4000, ge=1, le=20_000, description="Telemetry events that close a batch."
    )
    ingest_batch_max_age_ms: int = Field(
        default=50, ge=0, le=5000, description="Age of its oldest message that closes a telemetry batch."
    )
    ingest_telemetry_receive_maximum: int = Field(
        default=20_000,
        ge=1,
        le=65535,
        description="Unacknowledged telemetry messages the broker may have on the way: the bound on memory.",
    )
    ingest_alarm_receive_maximum: int = Field(default=2000, ge=1, le=65535, description="The same for the alarm lane.")
    ingest_overflow_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024 * 1024,
        le=4 * 1024**3,
        description="Waiting payload above which QoS 0 messages, which nothing holds back, are dropped and counted.",
    )
    ingest_telemetry_session_expiry_seconds: int = Field(
        default=600,
        ge=0,
        le=7 * 86_400,
        description="How long the broker keeps telemetry for a worker that is away; a removed worker's share is lost.",
    )
    ingest_alarm_session_expiry_seconds: int = Field(
        default=86_400, ge=0, le=7 * 86_400, description="How long the broker keeps alarms for a worker that is away."
    )
    ingest_device_events_per_second: float = Field(
        default=50, ge=1, le=100_000, description="Telemetry events a second that one device, child by child, may send."
    )
    ingest_device_burst_events: int = Field(
        default=3000, ge=1, le=10_000_000, description="Events a device that kept still may send at once."
    )
    ingest_flood_seconds: float = Field(
        default=60, ge=1, le=3600, description="Excess of so long raises device_flood; so long without any clears it."
    )
    ingest_retry_max_seconds: float = Field(
        default=5, ge=0.1, le=60, description="Longest pause between telemetry attempts while the database is away."
    )
    ingest_alarm_retry_max_seconds: float = Field(default=1, ge=0.05, le=5, description="The same for alarms.")
    ingest_write_timeout_seconds: float = Field(
        default=10,
        ge=1,
        le=300,
        description="A telemetry batch not committed by then counts as a database that is away.",
    )
    ingest_alarm_write_timeout_seconds: float = Field(
        default=3, ge=0.5, le=30, description="The same for alarms; they go to the spool then."
    )
    ingest_spool_dir: Path | None = Field(
        default=None,
        description="Folder below which each worker keeps what the database does not take. Unset: /var/lib/anxin/spool "
        "for root, else spool in the user's data folder.",
    )
    ingest_spool_max_bytes: int = Field(
        default=4 * 1024**3,
        ge=1024 * 1024,
        le=1024**4,
        description="Most that one worker's telemetry may take of the spool; alarms come on top, up to as much.",
    )
    ingest_spool_segment_bytes: int = Field(
        default=16 * 1024 * 1024,
        ge=64 * 1024,
        le=64 * 1024 * 1024,
        description="Size at which a file of the spool is closed and the next one begun.",
    )
    ingest_spool_after_seconds: float = Field(
        default=1,
        ge=0,
        le=60,
        description="How long the database must refuse before telemetry goes to the spool; alarms go at once.",
    )
    ingest_spool_min_free_bytes: int = Field(
        default=512 * 1024 * 1024,
        ge=0,
        le=1024**4,
        description="What the spool leaves free on its disk, which may be the database's; for alarms a tenth of it.",
    )
    ingest_stop_seconds: float = Field(
        default=8, ge=0, le=60, description="Time a stopping worker has to commit what it holds; the rest comes again."
    )
    ingest_downlink_poll_ms: int = Field(
        default=1000, ge=100, le=60_000, description="Worst added delay of a command when its wake-up call was lost."
    )
    ingest_status_host: str = Field(default="127.0.0.1", description="Address of /healthz, /readyz and /metrics.")
    ingest_status_port: int = Field(
        default=9101, ge=0, le=65535, description="Port of the status pages; 0 takes a free one."
    )

    @model_validator(mode="after")
    def _every_part_has_its_worker(self) -> "IngestSettings":
        if self.ingest_subscription == "partitioned" and self.ingest_worker > self.ingest_workers:
            raise ValueError(
                f"worker {self.ingest_worker} of {self.ingest_workers} would take nothing; set ANXIN_INGEST_WORKERS to "
                "the number of workers, the same for all of them"
            )
        return self

    @property
    def spool_folder(self) -> Path:
        """Of this worker alone."""
        return (self.ingest_spool_dir or default_data_dir() / "spool") / f"worker-{self.ingest_worker}"
