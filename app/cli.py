def main() -> None:
    """Entry point, to come."""
