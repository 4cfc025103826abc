"""Settings of the alert engine."""

from pathlib import Path

from pydantic import Field

from core.runtime.settings import DatabaseSettings, KeySettings, LogSettings


class EngineSettings(DatabaseSettings, KeySettings, LogSettings):
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
