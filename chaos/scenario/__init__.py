"""A system under test and what is promised of it, loaded strictly."""

from chaos.scenario.load import Loaded, load
from chaos.scenario.scenario import Scenario

__all__ = ["Loaded", "Scenario", "load"]
