"""Analyses the directory of a campaign. The result depends on the files alone.

`analyse.analyse` reads a whole campaign and `trial.analyse_trial` one trial. This file imports nothing, so that the
command line, which needs only `result`, need not load numpy.
"""
