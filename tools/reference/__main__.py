"""Write every generated file below a directory: `python -m tools.reference .`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tools.reference.files import SCHEDULES, generated_files


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
    main(Path(sys.argv[1]))
