"""core/store/schema.sql, the whole schema for readers, equals what the migrations build."""

from collections.abc import Callable
from importlib.resources import files

import psycopg
import pytest
from psycopg import sql

pytestmark = pytest.mark.integration

# Each lists one kind of object as text, sorted; together they are the catalogue without object ids.
CATALOGUE = {
    "columns": """
        SELECT format('%s.%s %s %s %s default %s identity %s generated %s', c.relname, a.attname,
                      format_type(a.atttypid, a.atttypmod), a.attnum, CASE WHEN a.attnotnull THEN 'not null' END,
                      pg_get_expr(d.adbin, d.adrelid), a.attidentity, a.attgenerated)
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
        WHERE c.relnamespace = 'public'::regnamespace AND c.relkind IN ('r', 'p', 'v') AND a.attnum > 0
          AND NOT a.attisdropped""",
    "constraints": """
        SELECT format('%s %s %s', conrelid::regclass, conname, pg_get_constraintdef(oid))
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "indexes": "SELECT indexdef FROM pg_indexes WHERE schemaname = 'public'",
    "triggers": """
        SELECT pg_get_triggerdef(t.oid) FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relnamespace = 'public'::regnamespace""",
    "functions": """
        SELECT pg_get_functiondef(p.oid) FROM pg_proc p
        WHERE p.pronamespace = 'public'::regnamespace AND p.prokind = 'f'
          AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e')""",
    "options": "SELECT format('%s %s', relname, reloptions) FROM pg_class WHERE relnamespace = 'public'::regnamespace",
    "extensions": "SELECT extname::text FROM pg_extension",
    "hypertables": """
        SELECT format('%s %s %s', h.hypertable_name, d.column_name, d.time_interval)
        FROM timescaledb_information.hypertables h JOIN timescaledb_information.dimensions d USING (hypertable_name)""",
    "views": "SELECT format('%s %s', viewname, definition) FROM pg_views WHERE schemaname = 'public'",
}


def catalogue(url: str) -> dict[str, list[str]]:
    with psycopg.connect(url) as conn:
        found = {}
        for kind, statement in CATALOGUE.items():
            rows = [row[0] for row in conn.execute(statement.encode()).fetchall()]
            found[kind] = sorted(row for row in rows if "schema_migration" not in row)
    return found


def empty_like(url: str) -> str:
    """Drops and makes the database again, without any migration; returns its URL."""
    name = str(psycopg.conninfo.conninfo_to_dict(url)["dbname"])
    with psycopg.connect(psycopg.conninfo.make_conninfo(url, dbname="postgres"), autocommit=True) as conn:
        for statement in ("DROP DATABASE {} WITH (FORCE)", "CREATE DATABASE {}"):
            conn.execute(sql.SQL(statement).format(sql.Identifier(name)))
    return url


def test_the_schema_file_builds_what_the_migrations_build(new_database: Callable[[], str]):
    migrated = catalogue(new_database())
    from_file = empty_like(new_database())
    with psycopg.connect(from_file, autocommit=True) as conn:
        conn.execute(files("core.store").joinpath("schema.sql").read_bytes())

    written = catalogue(from_file)

    assert len(migrated["columns"]) > 200
    for kind in CATALOGUE:
        assert written[kind] == migrated[kind], kind
