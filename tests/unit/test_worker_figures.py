"""What a job measures is shown by `/metrics` only if it is declared there."""

from __future__ import annotations

import ast
from pathlib import Path

from autogpt_db.metrics.families import MEASURED
from autogpt_db.worker import jobs


def measured_in(source: str) -> set[str]:
    """Return the names of the figures that a module makes."""
    return {
        name
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) == "Figure"
        and isinstance(node.args[0], ast.Constant)
        and isinstance(name := node.args[0].value, str)
    }


def test_every_figure_of_a_job_is_a_metric() -> None:
    found: set[str] = set()
    for path in Path(jobs.__path__[0]).glob("*.py"):
        found |= measured_in(path.read_text("utf-8"))
    assert "stuck_executions" in found
    assert found - MEASURED.keys() == set(), "declare these in metrics/families/measured.py"
    assert MEASURED.keys() - found == set(), "no job measures these of metrics/families/measured.py"
