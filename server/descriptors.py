"""Descriptors: every socket takes one, and what a process is started with is seldom all that it may have."""

import resource

import structlog

from config.sections import Gateway

OTHERS = 200
"""Listeners, connections to Postgres and NATS, pipes, logs."""

log = structlog.get_logger()


def allow_as_many(gateway: Gateway) -> None:
    """Raise this process's limit as far as the system lets it; a warning when the settings grant more than that."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    wanted = gateway.max_connections + gateway.max_http + OTHERS
    if most != resource.RLIM_INFINITY and most < wanted:
        log.warning("max_connections and max_http may take more descriptors than there are", most=most, wanted=wanted)
