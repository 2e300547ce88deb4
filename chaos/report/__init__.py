"""What people read: HTML, terminal, JUnit, Markdown and JSON, made from the results of the analysis and the recording.

No trial is judged here. A row over several trials shows their worst judgement, and how many of them have it.
`files.write` makes every file of a campaign, and `terminal.Terminal` shows the campaign while it runs.
`chaos.analysis.wording` formats figures, `figures.py` draws plots with matplotlib, and the page's template draws its
bars. This file imports nothing, because the terminal does without matplotlib.
"""
