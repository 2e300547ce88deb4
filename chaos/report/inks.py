"""The colours of a report: what is drawn takes the light ones, and the style sheet maps each to its dark one."""

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


def ink(name: str) -> str:
    return INKS[name].light
