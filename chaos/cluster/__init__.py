"""The running system under test, and what can be done to it."""
