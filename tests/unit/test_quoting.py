"""Names and texts in SQL, as psycopg's own quoting has them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from psycopg import sql

from autogpt_db.database.quoting import literal, quoted

texts = st.text("ab\"'%.☃ ", max_size=8)


@given(texts)
def test_names_and_texts_are_quoted_as_psycopg_quotes_them(text: str) -> None:
    assert quoted(text) == sql.Identifier(text).as_string(None)
    assert literal(text) == sql.Literal(text).as_string(None)
