"""What a campaign's directory says: pure functions of the files, the same answer tomorrow and with Redis off.

`campaign.analyse` reads a whole one, `trial.analyse_trial` one trial. Nothing is imported here: whoever needs only
the `result`, as the command line does, does not pay for numpy.
"""
