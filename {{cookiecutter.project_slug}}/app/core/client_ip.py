"""Client IP: the IP address of the caller, also behind trusted proxies.

uvicorn's own proxy headers are not enough here: they trust every peer on the loopback interface
and, with `FORWARDED_ALLOW_IPS=*`, the first entry of X-Forwarded-For, which the client writes.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Any

LOOPBACK = "127.0.0.1"
logger = logging.getLogger(__name__)

Network = IPv4Network | IPv6Network


def connected_ip(scope: Mapping[str, Any], receive: Callable[..., Any]) -> str:
    """Return the IP address that is connected to the server.

    uvicorn may have replaced `client` of the ASGI scope by X-Forwarded-For, but `receive` belongs
    to the object that has the connection. A Unix socket has no address.
    """
    transport = getattr(getattr(receive, "__self__", None), "transport", None)
    address = transport.get_extra_info("peername") if transport else scope.get("client")
    return str(address[0]) if address else LOOPBACK


def resolve_client_ip(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the client IP: the last entry of X-Forwarded-For that is not a trusted proxy.

    Args:
        peer: IP address that is connected to the server.
        forwarded: Value of X-Forwarded-For. Each proxy appends to it; a client may send anything.
        trusted: Networks of the trusted proxies.

    Returns:
        An IPv4 address, or the /64 network of an IPv6 address.
    """
    hops = [hop.strip() for hop in forwarded.split(",")]
    for hop in [peer, *reversed(hops)]:
        ip = _parse(hop)
        if ip is None:
            break
        peer = _rate_limit_key(ip)
        if not any(ip in network for network in trusted):
            break
    return peer


@cache
def warn_about_proxy() -> None:
    """Log, once, that there seems to be a proxy that is not trusted."""
    logger.warning(
        "Requests have X-Forwarded-For, but TRUSTED_PROXIES is empty: if there is a proxy, "
        "all clients share its rate limits."
    )


def _parse(hop: str) -> IPv4Address | IPv6Address | None:
    """Parse an entry with or without port: Azure, IIS and ALB write `ip:port` or `[v6]:port`."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    try:
        ip = ip_address(hop)
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def _rate_limit_key(ip: IPv4Address | IPv6Address) -> str:
    """Return the IPv4 address, or the /64 network: a subscriber has 2^64 IPv6 addresses."""
    if isinstance(ip, IPv4Address):
        return str(ip)
    return str(IPv6Network((ip, 64), strict=False))
