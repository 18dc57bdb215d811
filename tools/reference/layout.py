"""Python source laid out as the formatter does it."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

WIDTH = 100


def text_of(lines: Iterator[str]) -> str:
    """Return a file's text.

    Args:
        lines: Its lines.
    """
    return "\n".join(lines) + "\n"


def imports(package: str, modules: Mapping[str, str], indent: str = "") -> Iterator[str]:
    """Yield the lines that import names from a package's modules.

    Args:
        package: The package.
        modules: The module of each name, by names.
        indent: What stands before each line.
    """
    names: dict[str, list[str]] = {}
    for name, module in modules.items():
        names.setdefault(module, []).append(name)
    for module in sorted(names):
        start = f"{indent}from {package}.{module} import "
        line = start + ", ".join(names[module])
        if len(line) <= WIDTH:
            yield line
        else:
            yield f"{start}("
            yield from (f"{indent}    {name}," for name in names[module])
            yield f"{indent})"


def call_like(start: str, parts: list[str], end: str) -> Iterator[str]:
    """Yield parts between brackets, on one line or on one each.

    Args:
        start: What stands before them, its bracket included.
        parts: The parts.
        end: What stands behind them, its bracket included.
    """
    line = start + ", ".join(parts) + end
    if len(line) <= WIDTH:
        yield line
        return
    indent = " " * (len(start) - len(start.lstrip()))
    yield start
    for part in parts:
        yield f"{indent}    {part},"
    yield f"{indent}{end}"


def docstring(summary: str, indent: str) -> Iterator[str]:
    """Yield a docstring.

    Args:
        summary: What it says.
        indent: What stands before each line.
    """
    lines = textwrap.wrap(
        f'"""{summary}"""', WIDTH, initial_indent=indent, subsequent_indent=indent
    )
    if len(lines) > 1:
        lines[-1:] = [lines[-1].removesuffix('"""'), f'{indent}"""']
    yield from lines
