"""The one door to the examined host."""

from agent.target.model import Door, Json, Kind, Mode, Output, Space, Stat
from agent.target.target import Target

__all__ = ["Door", "Json", "Kind", "Mode", "Output", "Space", "Stat", "Target"]
