"""Write every generated file below a directory: `python -m tools.reference .`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.reference import IncompleteError
from tools.reference.files import SCHEDULES, generated_files
from tools.reference.layout import text_of
from tools.reference.schedules import schedules_module

from autogpt_db.operations import RegistrationError


def main(root: Path) -> int:
    """Write every generated file below `root`; return the exit code."""
    written, options = root / SCHEDULES, text_of(schedules_module())
    if (before := written.read_text("utf-8")) != options:
        # Pages on options are made of what this process has read: the options as they were.
        written.write_text(options, "utf-8")
        code = subprocess.call([sys.executable, "-m", "tools.reference", str(root)])
        if code:
            written.write_text(before, "utf-8")
        return code
    for name, text in generated_files().items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(Path(sys.argv[1])))
    except (IncompleteError, RegistrationError) as error:
        sys.exit(f"Nothing was written. {error}")
