"""Named SQL: every statement lives in a `queries.sql` beside the store that runs it.

-- insert_alert --
-- One line of purpose.
INSERT INTO alert …
"""

import re
from functools import cache
from importlib.resources import files

_HEADER = re.compile(r"^-- ([a-z][a-z0-9_]*) --$", re.MULTILINE)


class Queries(dict[str, str]):
    """Statements by name; an unknown name is an error that lists the known ones."""

    def __missing__(self, name: str) -> str:
        raise KeyError(f"no query named {name!r}; there are: {', '.join(sorted(self))}")


def parse_queries(text: str) -> Queries:
    """Split `text` at its `-- name --` lines. Raises ValueError for a name used twice."""
    queries = Queries()
    parts = _HEADER.split(text)[1:]
    for name, body in zip(parts[::2], parts[1::2], strict=True):
        if name in queries:
            raise ValueError(f"query {name!r} is defined twice")
        queries[name] = body.strip().removesuffix(";")
    return queries


@cache
def load_queries(package: str, file: str = "queries.sql") -> Queries:
    """The queries of `package` (a dotted package name), parsed once."""
    return parse_queries(files(package).joinpath(file).read_text(encoding="utf-8"))
