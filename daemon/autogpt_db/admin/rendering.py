"""Pages from templates: whatever stands in them from outside is escaped.

What would turn the direction of writing is written out.
"""

from __future__ import annotations

import datetime as dt
from functools import cache
from typing import TYPE_CHECKING, Any

from autogpt_db import __version__
from autogpt_db.printable import printable

if TYPE_CHECKING:
    from jinja2 import Environment

_MINUTE, _HOUR, _DAY = 60, 3600, 86_400
_LONG = 10


def render(template: str, **values: Any) -> str:
    """Return a page.

    Args:
        template: Its file in `templates/`.
        values: What it shows.
    """
    return _environment().get_template(template).render(values)


def duration(seconds: float | None) -> str:
    """Return seconds as people say them."""
    if seconds is None:
        return "-"
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < _MINUTE:
        return f"{seconds:.1f} s" if seconds < _LONG else f"{seconds:.0f} s"
    if seconds < _HOUR:
        rest = f" {seconds % _MINUTE:.0f} s" if seconds % _MINUTE >= 1 else ""
        return f"{seconds // _MINUTE:.0f} min{rest}"
    if seconds < _DAY:
        return f"{seconds // _HOUR:.0f} h {seconds % _HOUR // _MINUTE:.0f} min"
    return f"{seconds // _DAY:.0f} d {seconds % _DAY // _HOUR:.0f} h"


def moment(seconds: float) -> str:
    """Return a moment, given in seconds since 1970, in UTC."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%Y-%m-%d %H:%M:%S}"


def _plain(value: Any) -> Any:
    """Return what an expression in a template shows; what is markup already is ours."""
    if isinstance(value, str) and not hasattr(value, "__html__"):
        return printable(value, lines=True)
    return value


@cache
def _environment() -> Environment:
    # It takes 7 MB, which is for those who look at a page.
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("autogpt_db.admin", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_plain,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["version"] = __version__
    environment.filters["duration"] = duration
    environment.filters["moment"] = moment
    return environment
