"""Where things are in a checkout."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OVERLAYS = "overlays"
"""The folder of what is deployed, one folder for each overlay."""
