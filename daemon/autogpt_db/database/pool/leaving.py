"""Leaving a host of the database for another one that answers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from autogpt_db.database.bounded import cut

if TYPE_CHECKING:
    from autogpt_db.database.pool.lending import Lending
    from autogpt_db.database.pool.pooled import PooledConnection


class Leaving:
    """Replaces the connections to a host that has fallen silent.

    Args:
        lending: Where they are.
    """

    def __init__(self, lending: Lending) -> None:
        self._lending = lending
        self._left: set[PooledConnection] = set()

    def leave(self) -> None:
        """Replace every connection; those that are lent are cut once another host has answered."""
        self._lending.renew()
        self._left = set(self._lending.leases)

    def arrived(self, connection: PooledConnection) -> None:
        """Cut what is left of another host's, as this connection was opened."""
        for other in self._left & self._lending.leases.keys():
            if _address(other) != _address(connection):
                cut(other)  # what waits there for an answer is repeated here, or fails
        self._left.clear()

    def leave_for(self, connection: PooledConnection) -> bool:
        """Replace every connection, and cut those that are lent, if all lead to another host.

        Args:
            connection: One that leads to the host which answers now. Where some lead there as well,
                and have no answer, it is no silence that they wait in.

        Returns:
            Whether they were.
        """
        leases = self._lending.leases
        if any(_address(lent) == _address(connection) for lent in leases):
            return False
        self._lending.renew()
        for lent in leases:
            cut(lent)  # what waits there for an answer is repeated elsewhere, or fails
        return True


def _address(connection: PooledConnection) -> tuple[bytes, bytes]:
    return connection.pgconn.hostaddr, connection.pgconn.port
