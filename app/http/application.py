"""The ASGI application, put together."""

import contextlib
from collections.abc import AsyncIterator

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler
from prometheus_client import REGISTRY

from app.events.hub import Hub
from app.http.middleware import Edge
from app.http.openapi import documentation
from app.http.problem_details import problem_response
from app.http.routes import events as event_routes
from app.http.routes import health, metrics
from app.http.routes import leases as lease_routes
from app.http.routes import problems as problem_pages
from app.http.routes import tasks as routes
from app.keys.keyring import KeyRing
from app.leases.store import Pulses
from app.leases.sweep import SWEEP_EVERY_S, sweep
from app.metrics.events import EventCollector
from app.metrics.service import ServiceCollector
from app.metrics.tasks import COLLECT_EVERY_S, TaskCollector
from app.periodic import periodically
from app.postgres.notifications import Notifier
from app.postgres.pool import Database
from app.postgres.pruning import PRUNE_EVERY_S, prune
from app.settings import Settings
from app.tasks import store
from app.tasks.update import Updates

HANDLERS: list[ControllerRouterHandler] = [
    health.router,
    metrics.scrape,
    problem_pages.router,
    routes.router,
    lease_routes.router,
    event_routes.router,
]


def create_app(settings: Settings) -> Edge:
    """Return the application; its lifespan holds the database pool open and does the work in the background."""
    database = Database(settings)
    notifier = Notifier(settings, database)
    keyring = KeyRing(database)
    hub = Hub(database, notifier, keyring)
    tasks = TaskCollector(database)
    REGISTRY.register(ServiceCollector(database, settings.revision))
    REGISTRY.register(tasks)
    REGISTRY.register(EventCollector(hub))

    async def sweep_leases() -> None:
        await sweep(database, notifier)

    async def prune_what_is_old() -> None:
        await prune(database, settings.history_days)

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with (
            database.open(),
            notifier.open(),
            hub.open(),
            periodically(sweep_leases, SWEEP_EVERY_S),
            periodically(tasks.refresh, COLLECT_EVERY_S),
            periodically(prune_what_is_old, PRUNE_EVERY_S),
        ):
            yield

    state = {
        "settings": settings,
        "database": database,
        "notifier": notifier,
        "keyring": keyring,
        "hub": hub,
        "task_calls": store.BatchedTasks(database),
        "updates": Updates(database),
        "pulses": Pulses(database),
        "schema_current": False,
        "draining": False,
    }
    app = Litestar(
        [*HANDLERS, *documentation(HANDLERS)],
        exception_handlers={Exception: problem_response},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
        state=State(state),
    )
    return Edge(app)
