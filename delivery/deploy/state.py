"""What a deploy under way knows: what it was asked for, and what its steps found so far."""

from collections.abc import Callable
from dataclasses import dataclass, field

from delivery.deploy.lock import Lock
from delivery.deploy.plan import Plan
from delivery.deploy.release import Record, Release
from delivery.deploy.report import Report
from delivery.manifests import Object


@dataclass
class Deploy:
    """A deploy under way. `choose` says what to release once the records are known and the lock is held."""

    namespace: str
    choose: Callable[[list[Record]], Release]
    report: Report
    timeout_s: float
    bake_s: float
    secrets: list[Object] = field(default_factory=list)
    may_be_older: bool = False
    may_lack_migrations: bool = False
    note: str = ""
    restores: int = 0
    chart_secrets: list[Object] | None = None
    """Secrets for the monitoring chart; None: the chart is not brought."""

    def __post_init__(self) -> None:
        self.lock = Lock(self.namespace)
        self.past: list[Record] = []
        self.plan: Plan | None = None
        self.record: Record | None = None
        self.alerts: dict[str, str] | None = None
        self.outcome = "refused"

    @property
    def begun(self) -> Record:
        if self.record is None:
            raise RuntimeError("the steps are out of order")
        return self.record

    @property
    def planned(self) -> Plan:
        if self.plan is None:
            raise RuntimeError("the steps are out of order")
        return self.plan

    @property
    def release(self) -> Release:
        return self.begun.release
