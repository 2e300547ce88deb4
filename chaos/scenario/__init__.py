"""Scenarios: a system under test and the promises about it, loaded from a strict file format."""

from chaos.scenario.load import Loaded, load
from chaos.scenario.scenario import Scenario

__all__ = ["Loaded", "Scenario", "load"]
