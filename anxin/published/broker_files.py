"""The broker's files of docker-compose.yml, from the same text as the local stack's."""

from pathlib import Path

from stack.mosquitto_conf import BrokerSettings, access_control, configuration

# Paths inside the container. The password file is in the folder `anxin broker-sync` writes; the ACL is the copy that
# docker/broker makes.
IN_DOCKER = BrokerSettings(
    host="0.0.0.0",  # noqa: S104 - of the container; compose publishes it on loopback
    port=8883,
    folder=Path("/mosquitto/data"),
    passwd_file=Path("/credentials/passwd"),
    acl_file=Path("/tmp/acl"),  # noqa: S108 - a tmpfs of the container's own
    log_file=None,
    user="mosquitto",
    certificate_folder=Path("/certificates"),
)
_ORIGIN = "Made by `python -m anxin.published` from stack/mosquitto_conf.py; a test keeps it current."


def broker_files() -> dict[str, str]:
    """Text by path in the repository."""
    return {"docker/mosquitto.conf": configuration(IN_DOCKER, _ORIGIN), "docker/acl": access_control()}
