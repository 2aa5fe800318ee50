"""What a proxy in front of the service says of its client: address and scheme."""

from collections.abc import Mapping
from functools import lru_cache
from ipaddress import ip_address

from app.settings import Network


class TrustedProxies:
    """The address ranges whose X-Forwarded-For and X-Forwarded-Proto count."""

    def __init__(self, networks: tuple[Network, ...]) -> None:
        self._networks = networks
        self._trusts = lru_cache(1000)(self._look_up)

    def client(self, peer: str | None, fields: Mapping[bytes, bytes]) -> str | None:
        """Return the client's address: the second from the right of X-Forwarded-For, or the peer's own.

        Google's load balancers append two addresses, the client's and their own; all before them is the client's word.
        """
        if not self._trusts(peer):
            return peer
        addresses = fields.get(b"x-forwarded-for", b"").rsplit(b",", 2)[-2:]
        try:
            return str(ip_address(addresses[0].strip().decode("ascii")))
        except ValueError:
            return peer

    def by_https(self, peer: str | None, fields: Mapping[bytes, bytes]) -> bool:
        """Return whether the client came to a trusted proxy by HTTPS."""
        return self._trusts(peer) and fields.get(b"x-forwarded-proto", b"").lower() == b"https"

    def _look_up(self, peer: str | None) -> bool:
        try:
            address = ip_address(peer or "")
        except ValueError:
            return False
        return any(address in network for network in self._networks)
