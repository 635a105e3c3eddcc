"""Who is calling, as far as it can be believed."""

from collections.abc import Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

LOOPBACK = "127.0.0.1"

Network = IPv4Network | IPv6Network


def client_address(peer: str, port: int, forwarded: str, trusted: Sequence[Network]) -> str:
    """Return the address that tries are counted for: an IPv4 address or an IPv6 /64 network.

    Args:
        peer: Who opened the connection, as the server tells.
        port: And from which port.
        forwarded: `X-Forwarded-For`, which anybody can write; each proxy appends to it.
        trusted: The networks of our own proxies.
    """
    hops = [hop.strip() for hop in forwarded.split(",")]
    # uvicorn believes the header of a peer on this machine unless it is told not to, and then
    # tells its last address in place of the peer, with port 0 if there is none in the header.
    if port == 0 or hops[-1] in {f"{peer}:{port}", f"[{peer}]:{port}"}:
        peer = LOOPBACK
    for hop in [peer, *reversed(hops)]:
        address = _parse(hop)
        if address is None:
            break
        peer = _subscriber(address)
        if not any(address in network for network in trusted):
            break
    return peer


def _parse(text: str) -> IPv4Address | IPv6Address | None:
    try:
        address = ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address


def _subscriber(address: IPv4Address | IPv6Address) -> str:
    """Return an address, or the network of one: whoever has one in IPv6 has 2^64."""
    if isinstance(address, IPv4Address):
        return str(address)
    return str(IPv6Network((address, 64), strict=False))
