"""What people read: HTML, terminal, JUnit, Markdown and JSON, made of what the analysis judged and of the recording.

No trial is judged here. Where many are told together, a row says the worst judgement of them and of how many it is.
`files.write` makes every file of a campaign, `terminal.Terminal` tells it while it runs. Figures are phrased by
`chaos.analysis.wording`, plots are matplotlib's in `figures.py`, and the page's bars are drawn by its template. Nothing
is imported here: the terminal does without matplotlib.
"""
