"""Counters of claims and pulses. Each label starts at zero, so that the first event is an increase."""

from prometheus_client import Counter

CLAIMS = Counter(
    "taskpulse_claims_total",
    "Claims by outcome: tasks granted, requests that found no task, requests refused.",
    ["outcome"],
)
PULSES = Counter("taskpulse_pulses_total", "Pulses by outcome: accepted, or the lease was lost.", ["outcome"])
TAKEOVERS = Counter(
    "taskpulse_lease_takeovers_total", "Claims that took a task over from a worker whose lease had expired."
)

for outcome in ("granted", "empty", "refused"):
    CLAIMS.labels(outcome)
for outcome in ("accepted", "lost"):
    PULSES.labels(outcome)
