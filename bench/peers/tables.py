"""The tables of the benchmark's database for SQLAlchemy; both Python peers use them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Computed, FetchedValue, ForeignKey, LargeBinary, Text, cast
from sqlalchemy.dialects.postgresql import ARRAY, ENUM, JSON, JSONB, TIMESTAMP, TSVECTOR
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

status = ENUM("open", "in_progress", "done", "cancelled", "failed", name="task_status", create_type=False)
priority = ENUM("low", "normal", "high", "urgent", name="task_priority", create_type=False)
action = ENUM("created", "updated", "claimed", "completed", name="task_action", create_type=False)


class Base(DeclarativeBase):
    """Maps Python's types to those of the schema."""

    type_annotation_map = {datetime: TIMESTAMP(timezone=True), dict[str, Any]: JSON, list[str]: ARRAY(Text), str: Text}


class Task(Base):
    """A task."""

    __tablename__ = "tasks"

    id: Mapped[UUID] = mapped_column(primary_key=True, server_default=FetchedValue())
    title: Mapped[str]
    description: Mapped[str | None]
    status: Mapped[str] = mapped_column(status)
    priority: Mapped[str] = mapped_column(priority)
    assignee: Mapped[str | None]
    labels: Mapped[list[str]]
    due_at: Mapped[datetime | None]
    run_after: Mapped[datetime | None]
    claimable_at: Mapped[datetime | None]
    payload: Mapped[dict[str, Any]]
    max_attempts: Mapped[int]
    retry: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))
    unique_key: Mapped[str | None]
    attempts: Mapped[int] = mapped_column(default=0)
    fence: Mapped[int] = mapped_column(default=0)
    cancel_requested: Mapped[bool] = mapped_column(default=False)
    result: Mapped[Any | None] = mapped_column(JSON(none_as_null=True))
    created_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    updated_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    finished_at: Mapped[datetime | None]
    version: Mapped[int] = mapped_column(default=1)
    completed_by: Mapped[UUID | None] = mapped_column(deferred=True)
    search: Mapped[str] = mapped_column(TSVECTOR, Computed("to_tsvector(...)"), deferred=True)

    __mapper_args__ = {"eager_defaults": True}


LABELS = cast(Task.labels, ARRAY(Text))
"""As the index has them."""


class Lease(Base):
    """A worker's hold on a task."""

    __tablename__ = "leases"

    task_id: Mapped[UUID] = mapped_column(ForeignKey("tasks.id"), primary_key=True)
    token: Mapped[UUID] = mapped_column(server_default=FetchedValue())
    fence: Mapped[int]
    pulsed_at: Mapped[datetime] = mapped_column(server_default=FetchedValue())
    expires_at: Mapped[datetime]
    progress: Mapped[float | None]
    ttl_s: Mapped[int]
    attempt: Mapped[int]
    worker: Mapped[str]
    note: Mapped[str | None]
    task: Mapped[Task] = relationship(lazy="joined", innerjoin=True)

    __mapper_args__ = {"eager_defaults": True}


class History(Base):
    """A change of a task."""

    __tablename__ = "history"

    sequence: Mapped[int] = mapped_column(primary_key=True, server_default=FetchedValue())
    task_id: Mapped[UUID]
    version: Mapped[int]
    action: Mapped[str] = mapped_column(action)
    actor: Mapped[str | None]
    before: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))
    after: Mapped[dict[str, Any] | None] = mapped_column(JSON(none_as_null=True))


class APIKey(Base):
    """An API key."""

    __tablename__ = "api_keys"

    id: Mapped[str] = mapped_column(primary_key=True)
    secret_sha256: Mapped[bytes] = mapped_column(LargeBinary)
    scopes: Mapped[list[str]]
    expires_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]
