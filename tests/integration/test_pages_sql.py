"""Every SQL statement that a page tells somebody to type runs on the schema as it is."""

import psycopg
import pytest

from tests.unit.docs.documents import ROOT, command_lines

pytestmark = pytest.mark.integration

STATEMENTS = [
    words[words.index("-c") + 1]
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    for words in command_lines(page.read_text(encoding="utf-8"))
    if words[0] == "psql"
]


def test_the_pages_show_statements():
    assert len(STATEMENTS) >= 6


@pytest.mark.parametrize("statement", STATEMENTS)
def test_a_statement_of_the_pages_runs(statement: str, database: str):
    with psycopg.connect(database) as connection:
        cursor = connection.execute(statement.encode())
        rows = cursor.fetchall() if cursor.description else []  # a DELETE answers nothing
        assert len(rows) == (cursor.rowcount if cursor.description else 0)
        connection.rollback()
