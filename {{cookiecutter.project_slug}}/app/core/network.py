"""Who is calling, as far as it can be believed."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

LOOPBACK = "127.0.0.1"

Network = IPv4Network | IPv6Network


def client_address(peer: str, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the address that tries are counted for: an IPv4 address or an IPv6 /64 network.

    Args:
        peer: Who opened the connection, as the server tells.
        forwarded: `X-Forwarded-For`, which anybody can write; each proxy appends to it.
        trusted: The networks of our own proxies.
    """
    if peer in forwarded:  # uvicorn believed the header, as it does by default on one machine
        peer = LOOPBACK
    for hop in [peer, *reversed(forwarded.split(","))]:
        address = _parse(hop.strip())
        if address is None:
            break
        peer = _subscriber(address)
        if not any(address in network for network in trusted):
            break
    return peer


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(text)
    except ValueError:
        return None


def _subscriber(address: IPv4Address | IPv6Address) -> str:
    """Return an address, or the network of one: whoever has one in IPv6 has 2^64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, 64), strict=False))
