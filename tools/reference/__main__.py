"""Write every generated file below a directory: `python -m tools.reference .`."""

from __future__ import annotations

import sys
from pathlib import Path

from tools.reference.files import generated_files


def main(root: Path) -> None:
    """Write every generated file below `root`."""
    for name, text in generated_files(root).items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
