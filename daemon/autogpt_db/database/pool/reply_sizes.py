"""How much calls of one kind bring, so that a batch of them has room in a process."""

from __future__ import annotations

from collections import OrderedDict

LARGE_REPLY = 65_536
"""Bytes of a reply from which on it is remembered how large it was.

Replies are as good as unbounded: 64 of 30 MB, read by one statement, are more than a process has
room for. So a call counts with what it brought last time, too, and one of which nothing is known
with what others of its kind have brought lately.
"""
MOST_REMEMBERED = 1024
"""Calls of one kind whose large replies are remembered."""


class ReplySizes:
    """What the calls of one kind have brought lately, where that was much."""

    def __init__(self) -> None:
        self._large: OrderedDict[int, int] = OrderedDict()
        self._lately = 0

    def expected(self, identity: int) -> int:
        """Return how many bytes a call may bring.

        Args:
            identity: Hash of its texts.
        """
        return self._large.get(identity, self._lately)

    def note(self, identity: int, document: bytes | None) -> None:
        """Take note of what a call has brought, where that is much.

        Args:
            identity: Hash of its texts.
            document: Its reply.
        """
        size = len(document) if document is not None else 0
        if size >= LARGE_REPLY:
            self._lately = max(size, self._lately // 2)
            self._large[identity] = size
            self._large.move_to_end(identity)
            if len(self._large) > MOST_REMEMBERED:
                self._large.popitem(last=False)
        elif self._large:
            self._lately = self._lately // 2 if self._lately > LARGE_REPLY else 0
            self._large.pop(identity, None)
