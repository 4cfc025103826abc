"""Where a broker is and who we are to it: `mqtt://user:pass@host:port`, `mqtts://` with TLS."""

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote, urlsplit

DEFAULT_PORTS = {"mqtt": 1883, "mqtts": 8883}


class BrokerUrlError(ValueError):
    """The broker's address cannot be used. The sentence never repeats the password."""


@dataclass(frozen=True, slots=True)
class BrokerAddress:
    """One broker and one account on it. `ca_file` matters only with `tls`; None means the system's store."""

    host: str
    port: int
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: bool = False
    ca_file: str | None = None

    def __str__(self) -> str:
        """For logs: no account in it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'mqtts' if self.tls else 'mqtt'}://{host}:{self.port}"

    def tls_context(self) -> ssl.SSLContext | None:
        """None for plain TCP. Raises BrokerUrlError when the CA file cannot be read."""
        if not self.tls:
            return None
        try:
            return ssl.create_default_context(cafile=self.ca_file)
        except (OSError, ssl.SSLError) as error:
            raise BrokerUrlError(f"the CA file {self.ca_file} for {self} cannot be used: {error}") from error


def parse_broker_url(url: str, *, ca_file: str | Path | None = None) -> BrokerAddress:
    """Read `mqtt[s]://[user[:password]@]host[:port]`; user and password are percent-decoded."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        # The standard library's message may quote the whole network location, password included.
        raise BrokerUrlError("the MQTT URL has an invalid host or port") from None
    if parts.scheme not in DEFAULT_PORTS:
        raise BrokerUrlError(f"the MQTT URL must start with mqtt:// or mqtts://, not {parts.scheme!r}")
    if not host:
        raise BrokerUrlError("the MQTT URL names no host")
    if port == 0:
        raise BrokerUrlError("the MQTT URL names port 0")
    if parts.path not in ("", "/") or parts.query or parts.fragment:
        raise BrokerUrlError("the MQTT URL must end after the port (percent-encode '/', '?', '#' in a password)")
    username = unquote(parts.username) if parts.username else None
    password = unquote(parts.password) if parts.password is not None else None
    if password is not None and username is None:
        raise BrokerUrlError("the MQTT URL has a password but no user name")
    return BrokerAddress(
        host=host,
        port=port or DEFAULT_PORTS[parts.scheme],
        username=username,
        password=password,
        tls=parts.scheme == "mqtts",
        ca_file=str(ca_file) if ca_file else None,
    )
