"""Puts the ASGI application together: routes, services, metrics and periodic jobs."""

import contextlib
from collections.abc import AsyncIterator

from litestar import Litestar
from litestar.types import ControllerRouterHandler
from prometheus_client import REGISTRY

from app.http.middleware import RequestMiddleware
from app.http.problem_details import problem_response
from app.http.routes import (
    board,
    docs,
    events,
    favicon,
    guides,
    health,
    key,
    leases,
    limits,
    many_leases,
    many_tasks,
    metrics,
    problems,
    queues,
    stats,
    tasks,
)
from app.http.services import Services
from app.keys.authentication import REFRESH_EVERY_S
from app.leases.expiry import SWEEP_EVERY_S, sweep
from app.limits import LimitCollector
from app.metrics.events import EventCollector
from app.metrics.service import ServiceCollector
from app.metrics.tasks import COLLECT_EVERY_S, TaskCollector
from app.periodic import periodically
from app.postgres.plans import CHECK_EVERY_S
from app.postgres.pruning import PRUNE_EVERY_S, prune
from app.tasks.retention import DELETE_EVERY_S, delete_old_tasks

HANDLERS: list[ControllerRouterHandler] = [
    health.router,
    metrics.scrape,
    problems.router,
    tasks.router,
    leases.router,
    many_leases.router,
    many_tasks.router,
    queues.router,
    events.router,
    limits.router,
    key.router,
    stats.router,
]
"""Everything that the OpenAPI document describes."""


def create_app(services: Services) -> RequestMiddleware:
    """Return the application; its lifespan runs the services and the periodic jobs."""
    database, notifier = services.database, services.notifier
    tasks = TaskCollector(database)
    REGISTRY.register(ServiceCollector(database, services.settings.revision))
    REGISTRY.register(tasks)
    REGISTRY.register(EventCollector(services.hub))
    REGISTRY.register(LimitCollector(services.limits))

    async def sweep_leases() -> None:
        await sweep(database, notifier)

    async def prune_what_is_old() -> None:
        await prune(database, services.settings.history_days)

    async def delete_what_is_finished() -> None:
        if services.settings.keep_finished_days is not None:
            await delete_old_tasks(database, notifier, services.settings.keep_finished_days)

    @contextlib.asynccontextmanager
    async def lifespan(_: Litestar) -> AsyncIterator[None]:
        async with (
            database.open(),
            notifier.open(),
            services.hub.open(),
            periodically(services.keyring.refresh, REFRESH_EVERY_S),
            periodically(database.check_plans, CHECK_EVERY_S),
            periodically(sweep_leases, SWEEP_EVERY_S),
            periodically(tasks.refresh, COLLECT_EVERY_S),
            periodically(prune_what_is_old, PRUNE_EVERY_S),
            periodically(delete_what_is_finished, DELETE_EVERY_S),
        ):
            yield

    app = Litestar(
        [*HANDLERS, *docs.routes(HANDLERS), guides.router, board.board, board.asset, favicon.favicon],
        exception_handlers={Exception: problem_response},
        lifespan=[lifespan],
        openapi_config=None,
        logging_config=None,
    )
    return RequestMiddleware(app, services)
