"""Everything that depends on chaostoolkit: the open trial, the functions that experiments call, and the playing of one.

Only `play` and `written` import chaoslib. The activities are plain functions, so that `chaos run` can call them too.
"""
