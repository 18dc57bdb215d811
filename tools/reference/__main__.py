"""Write every generated file below a directory: `python -m tools.reference .`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.reference import IncompleteError
from tools.reference.files import SCHEDULES, generated_files

from autogpt_db.operations import RegistrationError


def main(root: Path) -> None:
    """Write every generated file below `root`."""
    before = (root / SCHEDULES).read_text("utf-8")
    files = generated_files()
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    if files[SCHEDULES] != before:
        # The pages on the settings were made of the options before.
        subprocess.run([sys.executable, "-m", "tools.reference", str(root)], check=True)


if __name__ == "__main__":
    try:
        main(Path(sys.argv[1]))
    except (IncompleteError, RegistrationError) as error:
        sys.exit(f"Nothing was written. {error}")
