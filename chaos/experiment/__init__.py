"""The only door to chaoslib: the open trial, and what an experiment can call."""
