"""The index of all pages, for those who read them as files; `autogpt-db help` prints its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tools.reference import NOTICE

from autogpt_db.cli.pages import KINDS, heading, topics

if TYPE_CHECKING:
    from collections.abc import Iterator

_HEAD: Final = """
# autogpt-db's documentation

`autogpt-db help` lists these pages where it is installed, and `autogpt-db help TOPIC` prints one,
by its file's name without `.md`. `autogpt-db help NAME` is about a command or method. The manual
pages are autogpt-db(1) and autogpt-db.toml(5).
"""
_FOOT: Final = """
## Explanation

- [Architecture](architecture.md)

## For Prometheus and Grafana

- [Alert rules](monitoring/alerts.yml)
- [A dashboard](monitoring/dashboard.json)"""


def index_page() -> Iterator[str]:
    """Yield the lines of docs/index.md."""
    yield NOTICE
    yield from _HEAD.splitlines()
    for kind, title in KINDS.items():
        yield f"\n## {title}\n"
        for name, text in topics(kind).items():
            yield f"- [{heading(text)}]({kind}/{name}.md)"
    yield from _FOOT.splitlines()
