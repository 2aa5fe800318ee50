"""The smoke test from outside: the addresses by which clients reach the Service, as far as this machine can."""

import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import httpx

from delivery.deploy.overlay import NAME
from delivery.deploy.readiness import GATEWAY
from delivery.deploy.release import Release
from delivery.deploy.smoke import IN_A_ROW, SmokeError, wrong_revision
from delivery.manifests import Object, dig
from delivery.tools import kubectl

TIMEOUT_S = 300
"""How long a door that can be reached may answer wrongly: a new load balancer does so for minutes."""
CONNECT_S = 3
ANSWER_S = 10
INTERNAL = ("networking.gke.io/load-balancer-type", "Internal")


class ClosedError(Exception):
    """The door cannot be reached from here, which says nothing about clients elsewhere."""


@dataclass(frozen=True)
class Door:
    """An address of the Service for clients. `address` is what to connect to, `host` the name that they ask for."""

    scheme: str
    host: str
    port: int
    address: str

    def __str__(self) -> str:
        usual = {"http": 80, "https": 443}[self.scheme]
        return f"{self.scheme}://{self.host}" + ("" if self.port == usual else f":{self.port}")


def ask_from_outside(release: Release, say: Callable[[str], None], check: Callable[[], None]) -> None:
    """Ask through each door until the answers are right; say of a door that this machine cannot reach that it is so.

    Raises:
        SmokeError: a door that can be reached did not answer rightly within TIMEOUT_S; says the last answer.
    """
    wanted = [each for each in release.objects if each["kind"] in {"Gateway", "Service"}]
    live = {(each["kind"], each["metadata"]["name"]): each for each in kubectl.find(wanted)}
    found = False
    for door in doors(release.objects, live):
        found = True
        try:
            ask_until_right(door, release.commit, check)
            say(f"{door} is ready and shows revision {release.commit[:12]}")
        except ClosedError as closed:
            say(f"{door} cannot be reached from here, so it is not tested: {closed}")
    if not found:
        say("nothing of this release has an address outside of the cluster, so it is not tested from there")


def doors(objects: list[Object], live: dict[tuple[str, str], Object]) -> Iterator[Door]:
    """The doors of a release: of each HTTPRoute that leads to the Service, and of its own load balancer."""
    for route in objects:
        if route["kind"] == "HTTPRoute" and leads_to_service(route):
            for parent in route["spec"].get("parentRefs", []):
                yield from doors_of_route(route, parent, live.get(("Gateway", parent["name"])))
    service = live.get(("Service", NAME))
    if service and dig(service, "spec", "type") == "LoadBalancer" and not is_internal(service):
        for ingress in dig(service, "status", "loadBalancer", "ingress") or []:
            address = ingress.get("ip") or ingress["hostname"]
            yield Door("http", address, service["spec"]["ports"][0]["port"], address)


def doors_of_route(route: Object, parent: Object, gateway: Object | None) -> Iterator[Door]:
    if gateway is None or not gateway["apiVersion"].startswith(GATEWAY):
        return
    section = parent.get("sectionName")
    for listener in gateway["spec"]["listeners"]:
        if (section and listener["name"] != section) or listener["protocol"] not in {"HTTP", "HTTPS"}:
            continue
        names = route["spec"].get("hostnames") or [listener.get("hostname", "")]
        for address in dig(gateway, "status", "addresses") or []:
            for name in names:
                host = address["value"] if not name or name.startswith("*") else name
                yield Door(listener["protocol"].lower(), host, listener["port"], address["value"])


def leads_to_service(route: Object) -> bool:
    backends = [backend for rule in route["spec"].get("rules", []) for backend in rule.get("backendRefs", [])]
    return any(backend["name"] == NAME and backend.get("kind", "Service") == "Service" for backend in backends)


def is_internal(service: Object) -> bool:
    key, value = INTERNAL
    return bool(service["metadata"].get("annotations", {}).get(key) == value)


def ask_until_right(door: Door, commit: str, check: Callable[[], None]) -> None:
    """Ask until the answers are right.

    Raises:
        ClosedError: no connection can be made.
        SmokeError: they were not within TIMEOUT_S.
    """
    end = time.monotonic() + TIMEOUT_S
    right = 0
    context = ssl.create_default_context()  # with SSL_CERT_FILE, as other programs
    timeout = httpx.Timeout(ANSWER_S, connect=CONNECT_S)
    with httpx.Client(verify=context, timeout=timeout, trust_env=False) as client:
        while right < IN_A_ROW:
            check()
            wrong = ask(client, door, commit)
            right = 0 if wrong else right + 1
            if wrong and time.monotonic() > end:
                raise SmokeError(f"{door} did not answer rightly for {TIMEOUT_S} s: {wrong}")
            time.sleep(1 if wrong else 0.1)


def ask(client: httpx.Client, door: Door, commit: str) -> str:
    """Why the answers are not right; "" when they are.

    Raises:
        ClosedError: no connection can be made.
    """
    for path in ("/health/ready", "/"):
        try:
            answer = get(client, door, path)
        except (httpx.ConnectError, httpx.ConnectTimeout) as error:
            if is_of_tls(error):
                return f"{path}: {error}."
            raise ClosedError(str(error) or f"no connection within {CONNECT_S} s") from None
        except httpx.HTTPError as error:
            return f"{path}: {error or type(error).__name__}."
        if answer.status_code != httpx.codes.OK:
            return f"{path} answers {answer.status_code}."
    return wrong_revision(answer.content, commit)


def is_of_tls(error: BaseException | None) -> bool:
    """Whether somebody answered, and not as TLS must."""
    while error is not None and not isinstance(error, ssl.SSLError):
        error = error.__cause__ or error.__context__
    return error is not None


def get(client: httpx.Client, door: Door, path: str) -> httpx.Response:
    """Ask at the address of the door, whatever its name leads to in DNS, as a client that asks for its name."""
    url = httpx.URL(scheme=door.scheme, host=door.address, port=door.port, path=path)
    return client.get(url, headers={"Host": door.host}, extensions={"sni_hostname": door.host})
