"""The service on one machine, with an embedded PostgreSQL, for development and tests."""
