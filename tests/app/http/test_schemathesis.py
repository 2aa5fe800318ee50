"""Generated requests for every operation of the OpenAPI document, one by one and in chains along its links."""

import contextlib
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any
from uuid import uuid4

import httpx
import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, assume, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis.core.result import Ok
from schemathesis.generation import GenerationMode
from schemathesis.schemas import APIOperation

from tests.support.contract import PROBLEM
from tests.support.service import Service, empty

Case = schemathesis.Case[Any]
Schema = schemathesis.BaseSchema

SHORT, LONG = 12, 150
"""Examples for each operation in `make test` and in `make test-all`; a third of them break the document's rules."""
MIN_SUCCESS = 1 / 3
OUTERMOST_DAY = re.compile(r"^((?:0001-01-01|9999-12-31)T[0-9:.]+)[+-]\d\d:\d\d$")

CONFIG = {
    # A well-formed If-Match may be of another version (412), an Idempotency-Key of another request (422).
    "checks": {
        # A query with parts that are too long may be larger than a request may be (431).
        "negative_data_rejection": {
            "expected-statuses": [
                "400",
                "401",
                "403",
                "404",
                "405",
                "406",
                "409",
                "413",
                "415",
                "422",
                "429",
                "431",
                "5xx",
            ],
        },
        "positive_data_acceptance": {
            "expected-statuses": ["2xx", "3xx", "401", "403", "404", "409", "412", "422"],
        },
    },
}


def load(service: Service, mode: str) -> Schema:
    # U+0000 in a string is refused, which JSON Schema cannot say; test_bad_input.py sends it.
    config = {**CONFIG, "generation": {"allow-x00": False, "mode": mode}}
    schema = schemathesis.openapi.from_url(f"{service.url}/openapi.json", config=schemathesis.Config.from_dict(config))
    return schema.exclude(operation_id="streamEvents")  # it has no end; test_events.py sends what is ill-formed


class Workplace:
    """Makes tasks and a queue for requests to meet, as made-up ids and tokens find nothing."""

    def __init__(self, service: Service) -> None:
        self.headers = {"Authorization": f"Bearer {service.key}"}
        self._client = httpx.Client(base_url=service.url, headers=self.headers)
        self._turn = 0

    def close(self) -> None:
        self._client.close()

    def furnish(self, case: Case) -> None:
        """Give three of four requests a task that is there, and the token of its lease."""
        operation = case.operation.definition.raw["operationId"]
        if isinstance(case.body, dict):
            case.body = body = _sayable(case.body)
        case.query.update(_sayable(dict(case.query)))
        case.query.pop("cursor", None)  # a text that no answer gave is no cursor, which JSON Schema cannot say
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = str(uuid4())  # nor that another request may not have the same
        self._turn += 1
        if self._turn % 4 == 0:
            return
        if operation == "explainProblem":
            case.path_parameters["name"] = "not-found"
        elif operation == "claimTasks":
            self._task()
            body.pop("labels", None)
        elif "label" in case.path_parameters:
            self._give_a_queue(case, operation)
        elif "task_id" in case.path_parameters:
            self._give_a_task(case, operation)

    def _give_a_queue(self, case: Case, operation: str) -> None:
        case.path_parameters["label"] = "furniture"
        case.headers.pop("If-Match", None)
        if operation != "putQueue":
            self._client.put("/v1/queues/furniture", json={"paused": False})

    def _give_a_task(self, case: Case, operation: str) -> None:
        task_id = case.path_parameters["task_id"] = self._task()
        case.headers.pop("If-Match", None)
        if operation in ("pulseTask", "completeTask", "failTask", "releaseTask", "getLease"):
            claimed = self._client.post(f"/v1/tasks/{task_id}/claim", json={"worker": "w", "ttl_s": 600}).json()
            if isinstance(case.body, dict):
                case.body["token"] = claimed["lease"]["token"]

    def _task(self) -> str:
        task: str = self._client.post("/v1/tasks", json={"title": "Furniture"}).json()["id"]
        return task


def _says_texts(query: Mapping[str, Any]) -> bool:
    """Whether the filters that take any text are lists of texts; all else is a text too once it is in a URL."""
    filters = [query.get(name, []) for name in ("assignee", "label")]
    return all(isinstance(each, list) and all(isinstance(item, str) for item in each) for each in filters)


def _sayable(value: Any) -> Any:
    """Change what the service refuses and JSON Schema cannot exclude.

    34.0 becomes 34: to JSON Schema both are integers, to the service, as to most readers of JSON, only one is. And a
    time that its offset may put outside the years 1 to 9999 in UTC loses the offset.
    """
    if isinstance(value, dict):
        return {name: _sayable(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_sayable(item) for item in value]
    if isinstance(value, str):
        return OUTERMOST_DAY.sub(r"\1Z", value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


@pytest.fixture(scope="module")
def workplace(service: Service) -> Iterator[Workplace]:
    with contextlib.closing(Workplace(service)) as workplace:
        yield workplace


def check(response: Any) -> None:
    """Assert what schemathesis does not: that every error is a problem document that says the same as its status."""
    if response.status_code >= 400:
        body = response.json()
        assert response.headers["content-type"] == [PROBLEM]
        assert body["status"] == response.status_code
        assert body["type"].startswith("/problems/")
        assert all(body[name] for name in ("title", "detail", "instance", "request_id"))


def generated(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )


def explore(operation: APIOperation[Any, Any, Any, Any], workplace: Workplace, examples: int) -> str:
    """Send generated requests, check every answer, and return how many of them had which status."""
    statuses: Counter[int] = Counter()

    @given(operation.as_strategy(GenerationMode.POSITIVE))
    def well_formed(case: Case) -> None:
        workplace.furnish(case)
        send(case)

    @generated(examples // 3)
    @given(operation.as_strategy(GenerationMode.NEGATIVE))
    def ill_formed(case: Case) -> None:
        assume(_says_texts(case.query))
        send(case)

    def send(case: Case) -> None:
        # A wait for work is up to 30 s long; test_claim_many.py waits.
        case.headers.pop("Prefer", None)
        response = case.call(headers=workplace.headers)
        statuses[response.status_code] += 1
        check(response)
        case.validate_response(response, headers=workplace.headers)

    with contextlib.suppress(Unsatisfiable):  # where there is nothing that could be ill-formed
        ill_formed()
    generated(examples - statuses.total())(well_formed)()
    good = sum(count for status, count in statuses.items() if status < 400)
    told = f"{operation.definition.raw['operationId']}: {statuses.total()} requests, {dict(sorted(statuses.items()))}"
    assert good >= MIN_SUCCESS * statuses.total(), told
    return told


@pytest.mark.parametrize("examples", [SHORT, pytest.param(LONG, marks=pytest.mark.slow)])
def test_each_operation(service: Service, workplace: Workplace, subtests: pytest.Subtests, examples: int) -> None:
    for result in load(service, "all").get_all_operations():
        assert isinstance(result, Ok)
        operation = result.ok()
        with subtests.test(operation.label):
            print("\n" + explore(operation, workplace, examples), end="")


@pytest.mark.parametrize(("runs", "reached"), [(6, 5), pytest.param(100, 10, marks=pytest.mark.slow)])
def test_chains_of_operations(
    service: Service, database: psycopg.Connection, workplace: Workplace, runs: int, reached: int
) -> None:
    """What one answer gives, other calls take, in any order that the document's links allow.

    All requests are well-formed: a link's body would take the place of an ill-formed one.
    """
    schema = load(service, "positive")
    statuses: Counter[tuple[str, int]] = Counter()
    cursors: set[str | None] = set()

    class Machine(schema.as_state_machine()):  # type: ignore[misc]
        def setup(self) -> None:
            # Each chain finds the same, or Hypothesis sees it behave differently from one run to the next.
            empty(database)
            cursors.clear()

        def get_call_kwargs(self, case: Case) -> dict[str, Any]:
            case.headers.pop("Prefer", None)
            case.body = _sayable(case.body)
            case.query.update(_sayable(dict(case.query)))
            if case.query.get("cursor") not in cursors:
                case.query.pop("cursor", None)
            return {"headers": workplace.headers}

        def validate_response(self, response: Any, case: Case, **_: Any) -> None:
            statuses[case.operation.definition.raw["operationId"], response.status_code] += 1
            check(response)
            case.validate_response(response, headers=workplace.headers)
            if b'"next_cursor"' in response.content:
                cursors.add(response.json().get("next_cursor"))

    Machine.run(settings=settings(generated(runs), stateful_step_count=12))
    print(f"\n{statuses.total()} requests: {dict(sorted(statuses.items()))}")
    assert len({name for name, status in statuses if status < 300}) >= reached
