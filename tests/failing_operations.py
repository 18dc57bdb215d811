"""Operations that break their process: AUTOGPT_DB_TEST_OPERATIONS names this module.

`AUTOGPT_DB_TEST_BREAK` names a file that says how: `import` fails at import, `slow` takes two
seconds to import, `stuck` a minute. It is read at each start, so that a test can break and mend a
running daemon.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from autogpt_db.operations import Database, operation

_how = Path(os.environ["AUTOGPT_DB_TEST_BREAK"]).read_text().strip()
if _how == "import":
    raise ImportError("broken on purpose")
time.sleep({"slow": 2, "stuck": 60}.get(_how, 0))


@operation(reads=True)
async def block_the_loop(
    database: Database,  # noqa: ARG001 - the registry hands it to every operation
    seconds: float,
) -> None:
    """Block the process's event loop, as a bug might."""
    time.sleep(seconds)
