"""Text from outside, so that a terminal shows it instead of obeying it.

A path, a header, a client's id, a message of the database: whatever of it reaches a terminal must
move no cursor, change no colour and turn no direction of writing. What could is shown as JSON
writes it, so that JSON stays what it was.
"""

from __future__ import annotations

import re

# C0 with the line feed, DEL, C1; marks, embeddings, overrides and isolates of the bidirectional
# algorithm (UAX #9); the two separators that some terminals take for a line feed.
_CONTROLS = r"\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069"
_UNSAFE = re.compile(f"[{_CONTROLS}]")
_UNSAFE_BUT_LINES = re.compile(rf"(?![\n\t])[{_CONTROLS}]")
# The same beyond C0, in UTF-8: JSON's own writing escapes C0 and leaves these as they are.
_UNSAFE_IN_JSON = re.compile(
    rb"\x7f|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xa8-\xae]|\xe2\x81[\xa6-\xa9]"
)
_SHORT = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}
# Colours and weights, as the console renderer writes them.
_COLOUR = re.compile(r"(\x1b\[(?:[0-2]|[34][0-7])m)")


def printable(text: str, *, lines: bool = False) -> str:
    """Return `text` with every character that a terminal would obey written out.

    Args:
        text: Of whatever origin.
        lines: Keep line feeds and tabs: the text is of several lines.
    """
    return (_UNSAFE_BUT_LINES if lines else _UNSAFE).sub(_written_out, text)


def printable_json(document: bytes) -> bytes:
    """Return a JSON text that means the same and moves no cursor where somebody looks at it."""
    return _UNSAFE_IN_JSON.sub(lambda found: b"\\u%04x" % ord(found[0].decode()), document)


def printable_line(line: bytes) -> bytes:
    """Return a finished line of a log: its colours stay, whatever else a terminal obeys does not.

    Args:
        line: Without its line feed; what is no UTF-8 is replaced.
    """
    pieces = _COLOUR.split(line.decode("utf-8", "replace"))
    # Every second piece is a colour.
    text = "".join(
        piece if place % 2 else printable(piece, lines=True) for place, piece in enumerate(pieces)
    )
    return text.encode()


def _written_out(found: re.Match[str]) -> str:
    return _SHORT.get(found[0]) or f"\\u{ord(found[0]):04x}"
