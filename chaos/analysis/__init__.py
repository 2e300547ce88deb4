"""Pure functions of a recording: what happened, when, and whether it was as promised."""
