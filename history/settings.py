"""Settings of the roll-ups and of how long what is kept."""

from pydantic import Field

from core.runtime.settings import DatabaseSettings, LogSettings


class HistorySettings(DatabaseSettings, LogSettings):
    """`anxin history`. One works; others stand by."""

    history_number: int = Field(
        default=1, ge=1, le=999, description="Number of this history program; no two running ones share one."
    )
    history_period_seconds: float = Field(
        default=5, ge=0.1, le=30, description="Pause between two looks for minutes to roll up and hours to repair."
    )
    history_lateness_seconds: int = Field(
        default=60,
        ge=5,
        le=3600,
        description="A minute is rolled up this long after its end; readings that come later cost a repair each.",
    )
    history_repair_slice_rows: int = Field(
        default=2000, ge=10, le=100_000, description="Most marks of late readings that one transaction repairs."
    )
    history_raw_days: int = Field(
        default=400, ge=35, le=36_500, description="Readings are kept this long; at least as long as they may be late."
    )
    history_minutes_days: int = Field(
        default=400, ge=35, le=36_500, description="Roll-ups by minute are kept this long; no shorter than readings."
    )
    history_hours_days: int = Field(
        default=1830, ge=35, le=36_500, description="Roll-ups by hour are kept this long; days are kept for ever."
    )
    history_events_days: int = Field(default=400, ge=35, le=36_500, description="Events are kept this long.")
    history_positions_days: int = Field(
        default=35, ge=31, le=36_500, description="Positions are kept this long; alerts hold a copy of theirs."
    )
    history_dead_letters_days: int = Field(
        default=35, ge=7, le=36_500, description="Rejected messages are kept this long, to look at and to replay."
    )
    history_compress_after_days: int = Field(
        default=45,
        ge=36,
        le=36_500,
        description="Older readings are compressed where the licence allows it.",
    )
    history_status_host: str = Field(
        default="127.0.0.1", description="Address of the history program's /healthz, /readyz and /metrics."
    )
    history_status_port: int = Field(
        default=9105, ge=0, le=65535, description="Port of its status pages; 0 takes a free one."
    )
