"""The text of PostgreSQL's two configuration files, from values. Nothing here touches the disk.

Why each setting is what it is: docs/adr/0002-local-stack.md.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class DatabaseSettings:
    """What the server's configuration depends on."""

    host: str
    port: int
    shared_buffers_mb: int = 512
    max_connections: int = 200
    max_wal_size_gb: int = 4
    max_slot_wal_gb: int = 8


def configuration(settings: DatabaseSettings) -> str:
    """postgresql.conf. `ALTER SYSTEM` (postgresql.auto.conf) still wins over it."""
    return f"""\
# Written by `anxin stack start`; changes are lost at the next start.
listen_addresses = '{settings.host}'
port = {settings.port}
# Loopback TCP only: a socket's path may have 107 bytes, and data folders can be deeper.
unix_socket_directories = ''
max_connections = {settings.max_connections}
password_encryption = 'scram-sha-256'

# What a receipt promises rests on these three.
fsync = on
full_page_writes = on
synchronous_commit = on

# `anxin backup --follow` streams the log; without a follower its slot may hold this much of the disk, not more:
# then the follower begins anew with a whole backup.
wal_level = replica
max_wal_senders = 10
max_slot_wal_keep_size = '{settings.max_slot_wal_gb}GB'

shared_buffers = '{settings.shared_buffers_mb}MB'
effective_cache_size = '2GB'
max_wal_size = '{settings.max_wal_size_gb}GB'
checkpoint_timeout = '15min'
random_page_cost = 1.1
# One lock for each chunk a query touches.
max_locks_per_transaction = 256
# Compiling costs more than our short queries take, and the unpacked cache leaves LLVM out.
jit = off

shared_preload_libraries = 'timescaledb'
timescaledb.telemetry_level = 'off'
# The Apache edition has no background jobs, and a worker's connection would make
# CREATE DATABASE … TEMPLATE fail at random.
timescaledb.max_background_workers = 0

timezone = 'UTC'
log_timezone = 'UTC'
lc_messages = 'C'
log_destination = 'stderr'
logging_collector = off
log_line_prefix = '%m [%p] %a '
# A statement's text and parameters may hold people's data; logs carry none.
log_min_error_statement = panic
log_parameter_max_length = 0
log_parameter_max_length_on_error = 0
"""


def client_authentication() -> str:
    """pg_hba.conf: a password over loopback, nothing else; `replication` is what backups connect as."""
    return "host all all 127.0.0.1/32 scram-sha-256\nhost replication all 127.0.0.1/32 scram-sha-256\n"
