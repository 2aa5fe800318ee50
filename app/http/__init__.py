"""The HTTP API: server, middleware, routes, and how problems become responses."""
