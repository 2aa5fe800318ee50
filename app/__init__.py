"""TaskPulse: a task API whose workers have a pulse."""

from importlib.metadata import version

__version__ = version("taskpulse")
