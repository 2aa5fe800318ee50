"""The ASGI application, put together."""

from litestar import Litestar
from litestar.datastructures import State
from litestar.types import ControllerRouterHandler
from prometheus_client import REGISTRY

from app import health, metrics, problem_pages
from app.access import KeyRing
from app.database import Database
from app.edge import Edge
from app.openapi import documentation
from app.problems import answer
from app.settings import Settings
from app.tasks import routes

HANDLERS: list[ControllerRouterHandler] = [health.router, metrics.scrape, problem_pages.router, routes.router]


def create_app(settings: Settings) -> Edge:
    """Return the application; its lifespan opens and closes the database pool."""
    database = Database(settings)
    REGISTRY.register(metrics.ServiceCollector(database, settings.revision))
    state = {
        "settings": settings,
        "database": database,
        "keyring": KeyRing(database),
        "schema_current": False,
        "draining": False,
    }
    app = Litestar(
        [*HANDLERS, *documentation(HANDLERS)],
        middleware=[metrics.http.middleware],
        exception_handlers={Exception: answer},
        lifespan=[lambda _: database.open()],
        openapi_config=None,
        logging_config=None,
        state=State(state),
    )
    return Edge(app)
