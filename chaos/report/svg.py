"""The colours of pictures, and how matplotlib's SVG is made to fit into the page.

Styles become attributes, because a page may have its styles blocked, and because the page's style sheet can map a
colour in an attribute to its dark counterpart. Ids become unlike those of the page, and numbers get few digits.
"""

import re
from itertools import pairwise
from typing import NamedTuple
from xml.etree.ElementTree import Element, SubElement, fromstring, register_namespace, tostring

SVG, XLINK = "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"
_NUMBER = re.compile(r"-?\d+\.\d+")
_FONT = re.compile(r"(?P<size>[\d.]+)px")
_STEP = re.compile(r"([MLQCz])([^MLQCz]*)")
_COMMAND = re.compile(r" ?([MLQCz]) ?")
_DROPPED = {"stroke-linejoin", "stroke-miterlimit", "stroke-dashoffset"}
MANY = 5
"""At least this many shapes of one kind in one lane are drawn as one line."""
_HOISTED = ("fill", "fill-opacity", "stroke", "stroke-width", "font-size")


class Ink(NamedTuple):
    """A colour of a report. Pictures are drawn in `light`, and the page's style sheet maps it to `dark`."""

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


def inline(source: str, title: str, description: str, prefix: str = "axis") -> str:
    """Return the picture as an element of the page, with a title and a description for readers who cannot see it."""
    register_namespace("", SVG)
    root = fromstring(source)
    for parent in list(root.iter()):
        for child in [child for child in parent if child.tag in (f"{{{SVG}}}metadata", f"{{{SVG}}}style")]:
            parent.remove(child)
    for element in root.iter():
        _attributes(element)
    _ids(root, prefix)
    _hoist(root)
    _flatten(root)
    _gather(root)
    _name(root, title, description)
    return tostring(root, encoding="unicode").replace("\n", "").replace(" />", "/>")


def _hoist(root: Element) -> None:
    """Move attributes that all children of a group share to the group."""
    for group in root.iter(f"{{{SVG}}}g"):
        for name in _HOISTED if len(group) > 1 else ():
            values = {child.get(name) for child in group}
            if len(values) == 1 and None not in values and name not in group.attrib:
                group.set(name, values.pop() or "")
                for child in group:
                    del child.attrib[name]


def _flatten(element: Element) -> None:
    """Replace each group without attributes by its children."""
    for child in list(element):
        _flatten(child)
    children = [each for child in element for each in (list(child) if _says_nothing(child) else [child])]
    for child in list(element):
        element.remove(child)
    element.extend(children)


def _gather(root: Element) -> None:
    """Draw a row of equal shapes as one line that has the shape at its corners, which takes a fifth of the bytes."""
    for number, group in enumerate(list(root.iter(f"{{{SVG}}}g"))):
        shapes = {(child.tag, child.get("href")) for child in group}
        if len(group) >= MANY and len(shapes) == 1 and group[0].tag == f"{{{SVG}}}use":
            group[:] = _shaped_line(group, f"{group[0].get('href', '')[1:]}-{number}")


def _shaped_line(group: Element, name: str) -> list[Element]:
    """Return the line for a row of shapes, and the marker that draws them. The marker has the inks.

    A marker does not inherit the inks of its line.
    """
    inks = {ink: group.attrib.pop(ink) for ink in _HOISTED if ink in group.attrib}
    marker = Element(f"{{{SVG}}}marker", id=name, overflow="visible", markerUnits="userSpaceOnUse")
    SubElement(marker, f"{{{SVG}}}use", inks | {"href": group[0].get("href", "")})
    at = list(dict.fromkeys((shape.get("x"), shape.get("y")) for shape in group))
    steps = (f"H{x}" if y == before else f"L{x} {y}" for (_, before), (x, y) in pairwise(at))
    line = f"M{at[0][0]} {at[0][1]}{''.join(steps)}"
    corners = {f"marker-{where}": f"url(#{name})" for where in ("start", "mid", "end")}
    return [marker, Element(f"{{{SVG}}}path", {"d": line, "fill": "none", **corners})]


def _says_nothing(element: Element) -> bool:
    if element.tag == f"{{{SVG}}}defs":
        return len(element) == 0
    return element.tag == f"{{{SVG}}}g" and not element.attrib


def _attributes(element: Element) -> None:
    """Turn `style` into attributes, shorten numbers, make href plain, and drop the source's white space."""
    element.text, element.tail = (element.text or "").strip(), ""
    for declaration in element.attrib.pop("style", "").split(";"):
        name, colon, value = (part.strip() for part in declaration.partition(":"))
        if name == "font":  # `font` is no attribute of SVG, but its size is; the family is set for the whole picture
            size = _FONT.search(value)
            element.set("font-size", size["size"] if size else "9")
        elif colon and name not in _DROPPED:
            element.set(name, value)
    reference = element.attrib.pop(f"{{{XLINK}}}href", None)
    if reference:
        element.set("href", reference)
    for name in ("d", "x", "y", "transform", "width", "height"):
        if name in element.attrib:
            short = _NUMBER.sub(
                lambda number: f"{float(number[0]):.1f}".removesuffix(".0"), " ".join(element.attrib[name].split())
            )
            element.set(name, _drawn(_COMMAND.sub(r"\1", short).strip()) if name == "d" else short)
    if element.get("transform", "").startswith("rotate(-0"):
        del element.attrib["transform"]


def _drawn(path: str) -> str:
    """Shorten the commands of a path: level and upright lines take one number, and steps straight on become one."""
    found: list[str] = []
    at, way = ("", ""), ""
    for command, numbers in _STEP.findall(path):
        to = tuple(numbers.split()[-2:]) if numbers else ("", "")
        if command == "L" and to == at:
            continue
        letter = ("H" if to[1] == at[1] else "V" if to[0] == at[0] else "L") if command == "L" else command
        ahead = _sign(at, to)
        if letter in "HV" and found and found[-1][0] == letter and way == ahead:
            found.pop()
        found.append(letter + {"H": to[0], "V": to[1] if len(to) > 1 else ""}.get(letter, numbers))
        at, way = (to[0], to[1]), ahead
    return "".join(found)


def _sign(at: tuple[str, ...], to: tuple[str, ...]) -> str:
    """Return whether a step makes each of its two numbers larger or smaller, or an empty string at a line's ends."""
    if not at[0] or not to[0]:
        return ""
    return "".join(str((float(b) > float(a)) - (float(b) < float(a))) for a, b in zip(at, to, strict=True))


def _ids(root: Element, prefix: str) -> None:
    """Keep only ids that something refers to, and give them names that the page does not use."""
    text = tostring(root, encoding="unicode")
    used = dict.fromkeys(re.findall(r'(?:url\(#|href="#)([^)"]+)', text))
    names = {name: f"{prefix}-{number}" for number, name in enumerate(used)}
    for element in root.iter():
        for key, value in element.attrib.items():
            element.set(key, re.sub(r"#([\w-]+)", lambda found: f"#{names.get(found[1], found[1])}", value))
        known = names.get(element.attrib.pop("id", ""))
        if known:
            element.set("id", known)


def _name(root: Element, title: str, description: str) -> None:
    for key in ("width", "height", "version"):
        root.attrib.pop(key, None)
    root.attrib.update({"role": "img", "width": "100%", "font-family": "system-ui, DejaVu Sans, sans-serif"})
    for place, (tag, text) in enumerate((("title", title), ("desc", description))):
        element = SubElement(root, f"{{{SVG}}}{tag}")
        element.text = text
        root.remove(element)
        root.insert(place, element)
