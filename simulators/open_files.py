"""Room for many sockets in one process."""

import resource


def allow_many_sockets() -> None:
    """Each member is a socket; the usual soft limit of 1,024 ends at a few hundred homes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
