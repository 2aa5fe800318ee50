"""Which migrations code that lacks them cannot live with."""

from delivery.deploy.release import Record, Release


def barriers(past: list[Record], release: Release) -> list[str]:
    """Sentences, one for each marked migration that a recorded release brought and `release` does not have."""
    marked = {
        name: reason
        for record in past
        for name, reason in record.release.migrations.items()
        if reason and name not in release.migrations
    }
    return [f"Code without migration {name} cannot live with it: {reason}." for name, reason in marked.items()]
