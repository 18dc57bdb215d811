"""E-mail addresses as AutoGPT's models take them."""

from __future__ import annotations

import re

_WITH_NAME = re.compile(r"\s*[^<>@]*<(?P<address>[^<>]+)>\s*")
# Anything but white space, controls and what needs quotes; other scripts' letters count.
_ATOM = r"[^\s\x00-\x20\x7f()<>\[\]:;@\\,.\"]+"
_LOCAL_PART = re.compile(rf"{_ATOM}(?:\.{_ATOM})*")
# Letters and digits, and all beyond ASCII. What isn't one of them is short to say, and compiled in
# no time; of a range to the last character Python makes a table at every start.
_OTHERS = r"\x00-\x2c\x2e\x2f\x3a-\x40\x5b-\x60\x7b-\x7f"
_LABEL = re.compile(rf"[^-{_OTHERS}](?:[^{_OTHERS}]{{0,61}}[^-{_OTHERS}])?")
_RESERVED = frozenset({"arpa", "invalid", "local", "localhost", "onion", "test"})
_LONGEST = 254
_LONGEST_LOCAL_PART = 64


def normalized(text: str) -> str | None:
    """Return the bare address, its domain in lower case, or None when the text is none.

    Args:
        text: `name@example.com` or `Name <name@example.com>`.
    """
    named = _WITH_NAME.fullmatch(text)
    address = (named["address"] if named else text).strip()
    local_part, at, domain = address.rpartition("@")
    domain = domain.lower()
    labels = domain.split(".")
    good = (
        at
        and len(address) <= _LONGEST
        and len(local_part) <= _LONGEST_LOCAL_PART
        and _LOCAL_PART.fullmatch(local_part)
        and address.isprintable()
        and len(labels) > 1
        and all(map(_LABEL.fullmatch, labels))
        and labels[-1][-1].isalpha()
        and labels[-1] not in _RESERVED
    )
    return f"{local_part}@{domain}" if good else None
