"""REST for people and programs that are not AutoGPT: what operations read, at `/v1`, read-only.

What is shown where is said beside the operations, by `rest=Resource(…)`; what no method shows is a
view of `rest.views`, an operation that is served here alone. Routes, checks, content and the
description all derive from that.
"""

from autogpt_db.rest.openapi import describe
from autogpt_db.rest.resources import load_resources
from autogpt_db.rest.routes import router

__all__ = ["describe", "load_resources", "router"]
