"""What people read: HTML, terminal, JUnit, Markdown, JSON. Renders; decides nothing.

`files.write` makes every file of a campaign, `terminal.Terminal` tells it while it runs. Nothing is imported here: the
terminal does without matplotlib.
"""
