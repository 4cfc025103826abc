"""Settings of the alert engine."""

from pathlib import Path

from pydantic import Field

from core.runtime.settings import DatabaseSettings, KeySettings, LogSettings, Settings


class PlatformSettings(Settings):
    """How the engine watches the platform itself, and when that rings."""

    platform_period_seconds: float = Field(
        default=2, ge=0.1, le=60, description="Pause between two looks at the parts of the platform."
    )
    platform_silent_seconds: float = Field(
        default=30, ge=2, le=3600, description="A part without a sign of life for longer rings, unless it said goodbye."
    )
    platform_grace_seconds: float = Field(
        default=60,
        ge=0,
        le=3600,
        description="For this long after the platform itself was down no part is called silent.",
    )
    platform_settle_seconds: float = Field(
        default=30, ge=0, le=3600, description="How long a state must be well before its alert clears."
    )
    platform_repeat_seconds: float = Field(
        default=14_400,
        ge=60,
        le=604_800,
        description="How long a trouble stays quiet after a person ended its alert and nothing got better or worse.",
    )
    platform_spool_age_seconds: float = Field(
        default=120, ge=1, le=86_400, description="Age of the oldest spooled message above which a spool rings."
    )
    platform_dropped_quiet_seconds: float = Field(
        default=600, ge=10, le=86_400, description="How long the broker must drop nothing more before its alert clears."
    )
    platform_disk_folders: str = Field(
        default="", description="Comma-separated folders whose free space this engine watches; empty: none."
    )
    platform_certificate_files: str = Field(
        default="", description="Comma-separated PEM files whose end this engine watches; empty: none."
    )
    platform_tls_addresses: str = Field(
        default="",
        description="Comma-separated host:port of TLS servers (broker, proxy) whose certificate is watched.",
    )
    platform_accounting_period_seconds: float = Field(
        default=60, ge=0.1, le=86_400, description="Pause between two rounds of the accounting."
    )


class EngineSettings(DatabaseSettings, KeySettings, LogSettings, PlatformSettings):
    """One engine: `anxin alerts --engine N`. Any number may run side by side."""

    engine_number: int = Field(
        default=1, ge=1, le=999, description="Number of this alert engine; no two running engines share one."
    )
    engine_period_ms: int = Field(
        default=500, ge=50, le=5000, description="Pause between two looks at the deadlines of alerts."
    )
    engine_module_timeout_seconds: float = Field(
        default=20, ge=1, le=300, description="One round of one of the engine's modules is given up after this long."
    )
    engine_purge_period_seconds: float = Field(
        default=3600, ge=1, le=86_400, description="Pause between two rounds of deleting what nobody needs any more."
    )
    access_seal_period_seconds: float = Field(
        default=1, ge=0.2, le=60, description="Pause between two seals of the access log."
    )
    access_seal_head_file: Path = Field(
        description="File outside the database that witnesses the newest seal of the access log; keep it on another "
        "disk or host than the database, or whoever rolls back one rolls back both."
    )
    engine_status_host: str = Field(
        default="127.0.0.1", description="Address of the engine's /healthz, /readyz and /metrics."
    )
    engine_status_port: int = Field(
        default=9102, ge=0, le=65535, description="Port of the engine's status pages; 0 takes a free one."
    )
