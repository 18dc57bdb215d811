"""Lists that come in pages."""

from __future__ import annotations

from typing import TypedDict


class Pagination(TypedDict):
    """Which page of a list this is; pages count from 1."""

    total_items: int
    total_pages: int
    current_page: int
    page_size: int
