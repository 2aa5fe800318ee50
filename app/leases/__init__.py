"""Leases: how workers claim tasks and keep them, and what happens when they do not."""
