"""Traffic that rules of NetworkPolicies allow, as sets: of addresses, of pods, of ports.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/
"""

import ipaddress
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from delivery.manifests import Object, dig
from delivery.review.selectors import Requirement, requirements, within

PROTOCOLS = ("TCP", "UDP", "SCTP")
PORTS = (1, 65535)
OWN = "kubernetes.io/metadata.name"  # the label that each namespace has
WHOLE = {4: (0, 2**32 - 1), 6: (0, 2**128 - 1)}  # all addresses, by version of IP
SOME_PODS = "some pods"
MOST_RANGES = 4  # in a sentence; of more, the range that holds them all stands for them

Interval = tuple[int, int]
Intervals = list[Interval]
Pods = tuple[frozenset[Requirement], frozenset[Requirement]]  # what is asked of the namespace, and of the pod


class Port(NamedTuple):
    """Ports of one protocol: a range of numbers, or those that pods call by a name."""

    protocol: str
    first: int = -1
    last: int = -1
    name: str = ""


@dataclass
class Reach:
    """Who may be reached, or may reach."""

    anywhere: bool = False
    addresses: dict[int, Intervals] = field(default_factory=dict)  # by version of IP
    pods: set[Pods] = field(default_factory=set)

    def add(self, other: "Reach") -> None:
        self.anywhere |= other.anywhere
        self.pods |= other.pods
        for version, intervals in other.addresses.items():
            self.addresses[version] = united([*self.addresses.get(version, []), *intervals])

    @property
    def everything(self) -> bool:
        whole = all(self.addresses.get(version) == [every] for version, every in WHOLE.items())
        return self.anywhere or (whole and (frozenset(), frozenset()) in self.pods)

    def without(self, other: "Reach") -> "Reach":
        """What is in this and not in the other."""
        if other.everything:
            return Reach()
        return Reach(
            self.anywhere,
            {
                version: rest for version, intervals in self.addresses.items()
                if (rest := cut(intervals, other.addresses.get(version, [])))
            },
            {each for each in self.pods if not any(contains(wider, each) for wider in other.pods)},
        )  # fmt: skip

    def __bool__(self) -> bool:
        return bool(self.anywhere or self.addresses or self.pods)


def contains(wider: Pods, each: Pods) -> bool:
    return within(each[0], wider[0]) and within(each[1], wider[1])


def united(intervals: Iterable[Interval]) -> Intervals:
    """The same numbers in as few intervals as can be, in order."""
    result: Intervals = []
    for first, last in sorted(intervals):
        if result and first <= result[-1][1] + 1:
            result[-1] = (result[-1][0], max(result[-1][1], last))
        else:
            result.append((first, last))
    return result


def cut(intervals: Intervals, away: Intervals) -> Intervals:
    """The intervals without those of `away`."""
    left = united(intervals)
    for first, last in away:
        parts = [part for low, high in left for part in ((low, min(high, first - 1)), (max(low, last + 1), high))]
        left = [(low, high) for low, high in parts if low <= high]
    return united(left)


def network(cidr: Any) -> tuple[int, Interval] | None:
    """A range as IP version and numbers; None where it is none."""
    try:
        found = ipaddress.ip_network(str(cidr), strict=False)
    except ValueError:
        return None
    return found.version, (int(found.network_address), int(found.broadcast_address))


def addresses(ranges: Iterable[Any]) -> dict[int, Intervals]:
    """The addresses in ranges, by version of IP."""
    found: dict[int, Intervals] = {}
    for version, interval in filter(None, map(network, ranges)):
        found[version] = united([*found.get(version, []), interval])
    return found


def inside(cidr: object, ranges: Iterable[object]) -> bool:
    """Whether all addresses of a range are in some of the others."""
    held = addresses(ranges)
    return all(not cut(each, held.get(version, [])) for version, each in addresses([cidr]).items())


def shown(found: dict[int, Intervals]) -> list[str]:
    """Addresses as ranges, as people write them."""
    return [
        str(each)
        for version, intervals in sorted(found.items())
        for first, last in intervals
        for each in ipaddress.summarize_address_range(address(version, first), address(version, last))
    ]


def address(version: int, number: int) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    return ipaddress.IPv4Address(number) if version == 4 else ipaddress.IPv6Address(number)


def peer_reach(peer: Object, namespace: str) -> Reach:
    """Return which peers one entry of a rule selects, in a policy of `namespace`."""
    if block := peer.get("ipBlock"):
        known = addresses([block.get("cidr")])
        away = addresses(block.get("except") or [])
        return Reach(addresses={v: rest for v, each in known.items() if (rest := cut(each, away.get(v, [])))})
    selector = peer.get("namespaceSelector")
    own = frozenset({Requirement(OWN, "In", frozenset({namespace}))})
    return Reach(pods={(own if selector is None else requirements(selector), requirements(peer.get("podSelector")))})


def rule_reach(rule: Object, peers: str, namespace: str) -> Reach:
    """Return which peers a rule selects; a rule without peers selects all."""
    if not rule.get(peers):
        return Reach(anywhere=True)
    result = Reach()
    for peer in rule[peers]:
        result.add(peer_reach(peer, namespace))
    return result


def ports(entry: Object | None) -> list[Port]:
    """What an entry of a rule's ports means; None stands for a rule without ports."""
    if entry is None:
        return [Port(protocol, *PORTS) for protocol in PROTOCOLS] + [Port(protocol, name="*") for protocol in PROTOCOLS]
    protocol, number = str(entry.get("protocol") or "TCP"), entry.get("port")
    if number is None:
        return [Port(protocol, *PORTS), Port(protocol, name="*")]
    if isinstance(number, int):
        numbers = (number, int(entry.get("endPort") or number))
        return [Port(protocol, *numbers), *([Port(protocol, name="*")] if numbers == PORTS else [])]
    return [Port(protocol, name=str(number))]


def entries(rule: Object) -> list[Object | None]:
    return [*rule["ports"]] if rule.get("ports") else [None]


def split(port: Port, rules: Iterable[Object]) -> Iterator[Port]:
    """The parts of a port's range that each rule allows as a whole or not at all."""
    if port.name:
        yield port
        return
    starts = {port.first}
    for rule in rules:
        for entry in entries(rule):
            for other in ports(entry):
                if other.protocol == port.protocol and not other.name:
                    starts |= {other.first, other.last + 1}
    inside = sorted(each for each in starts if port.first <= each <= port.last)
    for first, following in zip(inside, [*inside[1:], port.last + 1], strict=True):
        yield Port(port.protocol, first, following - 1)


def allows(rule: Object, port: Port) -> bool:
    """Whether a rule means a port, of the parts that `split` gives."""
    return any(
        other.protocol == port.protocol
        and (
            other.name in {port.name, "*"} if port.name else not other.name and other.first <= port.first <= other.last
        )
        for entry in entries(rule)
        for other in ports(entry)
    )


def gained(reach: Reach, entry: Object | None, old: list[tuple[Object, Reach]]) -> Reach:
    """What of `reach` was not allowed, on some port of an entry, by the old rules."""
    result = Reach()
    for port in ports(entry):
        for part in split(port, [rule for rule, _ in old]):
            allowed = Reach()
            for rule, held in old:
                if allows(rule, part):
                    allowed.add(held)
            result.add(reach.without(allowed))
    return result


def port_words(entry: Object | None) -> str:
    """An entry of a rule's ports, such as `port 53 (UDP)` or `port 80 to 90`."""
    if entry is None:
        return "every port"
    protocol, number = entry.get("protocol") or "TCP", entry.get("port")
    if number is None:
        return f"every {protocol} port"
    numbers = f"{number} to {entry['endPort']}" if entry.get("endPort") else str(number)
    return f"port {numbers}" + ("" if protocol == "TCP" else f" ({protocol})")


def words(peer: Object | None, new: Reach, whole: Reach) -> str:
    """Return in words which peers `new` selects: the part of a peer that is new, or the `whole` peer."""
    if peer is None:
        return "anywhere"
    if block := peer.get("ipBlock"):
        if new != whole and len(ranges := shown(new.addresses)) <= MOST_RANGES:
            return ", ".join(ranges)
        known = network(block.get("cidr"))
        name = "anywhere" if known and known[1] == WHOLE[known[0]] else str(block.get("cidr"))
        away = block.get("except") or []
        return f"{name} except {', '.join(map(str, away))}" if away else name
    if dig(peer, "namespaceSelector") == {}:
        return "every namespace" if not peer.get("podSelector") else "some pods of every namespace"
    return SOME_PODS
