"""The only door to chaostoolkit: the open trial, the activities that experiments name, and the playing of one.

Only `play` imports chaoslib; activities are plain functions, so that `chaos run` finds them too.
"""
