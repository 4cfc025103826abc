"""`anxin broker-sync`: wiring only."""

import argparse

from core.errors import ConfigurationError
from core.runtime.logs import configure_logs
from core.runtime.mqtt import BrokerAddress, BrokerUrlError, parse_broker_url
from core.runtime.service import Service, run_service
from core.store.migrate import check_schema
from core.store.pool import make_pool
from registry.broker_sync import BrokerSync
from registry.settings import BrokerSyncSettings

EXAMPLE = """example:
  ANXIN_BROKER_PASSWORD_FILE=/var/lib/anxin/mosquitto/passwd anxin broker-sync
"""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 asked to stop, 1 failed, 2 could not start as configured."""
    parser = argparse.ArgumentParser(
        prog="anxin broker-sync",
        description="Keep Mosquitto's password file equal to the registry, and Mosquitto equal to the file: "
        "new devices get in and revoked ones are disconnected within 5 s. Run one for each broker.",
        epilog=EXAMPLE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.parse_args(argv)
    settings = BrokerSyncSettings.load()
    broker = _broker(settings)
    configure_logs("broker-sync", level=settings.log_level, form=settings.log_format)

    async def body(service: Service) -> None:
        pool = make_pool(settings.database_url.get_secret_value(), name="broker-sync", max_size=2)
        async with pool:
            async with pool.connection() as conn:
                await check_schema(conn)
            sync = BrokerSync(
                pool,
                broker=broker,
                password_file=settings.broker_password_file,
                pid_file=settings.pid_file,
                keep_users=settings.keep_users,
                poll_s=settings.broker_sync_poll_seconds,
                reload_gap_s=settings.broker_reload_gap_seconds,
            )
            service.spawn(sync.run(service.stop), name="broker-sync")
            await service.stop.wait()

    return run_service("broker-sync", body)


def _broker(settings: BrokerSyncSettings) -> BrokerAddress:
    try:
        return parse_broker_url(settings.mqtt_url.get_secret_value(), ca_file=settings.mqtt_ca_file)
    except BrokerUrlError as error:
        raise ConfigurationError(f"ANXIN_MQTT_URL: {error}.") from None
