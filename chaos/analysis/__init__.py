"""Reads a campaign's directory and says what it shows. The answer depends on the files alone, and never changes.

`analyse.analyse` reads a whole campaign and `trial.analyse_trial` one trial. This file imports nothing, so that the
command line, which needs only `result`, need not load numpy.
"""
