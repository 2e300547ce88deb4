"""Every colour of the reports, light and dark, and the patterns that say the same without colour.

Charts carry the light colours as attributes, so that they are right where a page's styles are blocked; the page's own
style sheet then maps each to its dark one. The phases are Okabe and Ito's colours, told apart by the colour-blind.
"""

from typing import NamedTuple


class Ink(NamedTuple):
    light: str
    dark: str


INKS = {
    "text": Ink("#1b1f24", "#e8ebef"),
    "muted": Ink("#57606a", "#a3adb8"),
    "line": Ink("#d1d7de", "#343d47"),
    "paper": Ink("#ffffff", "#12161b"),
    "panel": Ink("#f5f7f9", "#1a2027"),
    "good": Ink("#1a7f38", "#4fc68c"),
    "bad": Ink("#b42319", "#ff8f82"),
    "open": Ink("#8a5a01", "#e5b547"),
    "link": Ink("#0b5cad", "#79b8ff"),
    "band": Ink("#fbe9e7", "#3a2322"),
    "ok": Ink("#0072b3", "#6cb6ee"),
    "stray": Ink("#9a5b00", "#f0b35a"),
    "failed": Ink("#c0250f", "#ff8a70"),
    "unknown": Ink("#7a4aa8", "#c9a2f2"),
    "missed": Ink("#59636e", "#9fa9b4"),
    "master": Ink("#005a8d", "#58aee8"),
    "replica": Ink("#a9c9de", "#31495c"),
}


class Pattern(NamedTuple):
    """`kind` is solid, or the shape drawn over the colour."""

    colour: str
    kind: str


PHASES = {
    "trigger": Pattern("#999999", "up"),
    "detection": Pattern("#0072b2", "solid"),
    "quorum": Pattern("#56b4e9", "dots"),
    "election": Pattern("#009e73", "up"),
    "promotion": Pattern("#f0e442", "cross"),
    "endpoint": Pattern("#d55e00", "down"),
    "routing": Pattern("#cc79a7", "dots"),
    "reconnection": Pattern("#e69f00", "across"),
    "unattributed": Pattern("#ffffff", "cross"),
    "later window": Pattern("#c9d1d9", "up"),
}
"""Of a bar's stretches, in the order of a failover."""
