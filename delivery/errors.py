class DeliveryError(Exception):
    """A sentence for the person at the terminal: what is wrong and how to fix it."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ToolError(DeliveryError):
    """A program is missing or does not start. Nothing that it read is in the sentence."""


class ArgumentError(DeliveryError):
    """An argument that is wrong whatever the state of the checkout or the cluster is."""
