"""Faults: their kinds, the choice of a target, and the recording of each fault's effect and proof."""
