"""A log's bytes as HTML: colours by class, addresses as links, everything else escaped."""

from __future__ import annotations

import re
from html import escape

SEQUENCE = re.compile(
    r"\x1b\[([0-9;]*)m|\x1b\[[0-9;?]*[A-Za-ln-z]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[@-Z\\-_]|\x1b"
)
LINK = re.compile(r"https?://[^\s<>\"'\x1b]+[^\s<>\"'\x1b.,;:!?)\]]")
NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
STYLES = {1: "bold", 2: "dim", 3: "italic", 4: "underline", 7: "inverse"}


class Painter:
    """Turns text into HTML piece by piece; a colour lasts until it is changed, also over pieces."""

    def __init__(self) -> None:
        self._classes: dict[str, str] = {}
        self._style = ""

    def html(self, text: str) -> str:
        parts: list[str] = []
        at = 0
        for match in SEQUENCE.finditer(text):
            parts.append(self._span(text[at : match.start()]))
            if match[1] is not None:
                self._take([int(code or 0) for code in match[1].split(";")])
            at = match.end()
        parts.append(self._span(text[at:]))
        return "".join(parts)

    def _span(self, text: str) -> str:
        if not text:
            return ""
        linked = _linked(text)
        if not self._classes and not self._style:
            return linked
        classes = " ".join(self._classes.values())
        style = f' style="{self._style}"' if self._style else ""
        return f'<span class="{classes}"{style}>{linked}</span>'

    def _take(self, codes: list[int]) -> None:
        while codes:
            code = codes.pop(0)
            if code == 0:
                self._classes, self._style = {}, ""
            elif code in STYLES:
                self._classes[str(code)] = f"ansi-{STYLES[code]}"
            elif code in (22, 23, 24, 27):
                for gone in ("1", "2") if code == 22 else (str(code - 20),):
                    self._classes.pop(gone, None)
            elif 30 <= code <= 37 or 90 <= code <= 97:
                bright = "bright-" if code >= 90 else ""
                self._classes["fg"] = f"ansi-{bright}{NAMES[code % 10]}"
                self._style = _without(self._style, "color")
            elif 40 <= code <= 47 or 100 <= code <= 107:
                self._classes["bg"] = f"ansi-bg-{NAMES[code % 10]}"
            elif code in (39, 49):
                self._classes.pop("fg" if code == 39 else "bg", None)
                self._style = _without(self._style, "color" if code == 39 else "background")
            elif code in (38, 48):
                self._extended("color" if code == 38 else "background", codes)

    def _extended(self, what: str, codes: list[int]) -> None:
        if codes[:1] == [5] and len(codes) >= 2:
            colour = _of_256(codes[1])
            del codes[:2]
        elif codes[:1] == [2] and len(codes) >= 4:
            colour = "#{:02x}{:02x}{:02x}".format(*(min(255, part) for part in codes[1:4]))
            del codes[:4]
        else:
            codes.clear()
            return
        self._style = _without(self._style, what) + f"{what}:{colour};"


def _of_256(code: int) -> str:
    if code < 16:
        level = 255 if code >= 8 else 170
        return "#{:02x}{:02x}{:02x}".format(*(level if code & bit else 0 for bit in (1, 2, 4)))
    if code < 232:
        steps = (0, 95, 135, 175, 215, 255)
        code -= 16
        return f"#{steps[code // 36 % 6]:02x}{steps[code // 6 % 6]:02x}{steps[code % 6]:02x}"
    grey = min(255, 8 + 10 * (code - 232))
    return f"#{grey:02x}{grey:02x}{grey:02x}"


def _without(style: str, what: str) -> str:
    return "".join(f"{part};" for part in style.split(";") if part and not part.startswith(f"{what}:"))


def _linked(text: str) -> str:
    parts: list[str] = []
    at = 0
    for match in LINK.finditer(text):
        address = escape(match[0])
        parts += [escape(text[at : match.start()]), f'<a href="{address}" rel="noreferrer noopener">{address}</a>']
        at = match.end()
    parts.append(escape(text[at:]))
    return "".join(parts)
