"""The page that documents the API, made here from its own OpenAPI document: no script, nothing from another host."""

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_STYLE = (
    "body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:62rem;padding:0 1rem}"
    "summary{cursor:pointer;padding:.3rem 0}code{font-family:ui-monospace,monospace}"
    "pre{background:#f4f4f4;padding:.6rem;overflow:auto}b{display:inline-block;min-width:4.5rem}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}pre{background:#222}}"
)
_METHODS = ("get", "post", "put", "patch", "delete")


def reference_page(document: Mapping[str, Any], openapi_url: str) -> str:
    """One HTML page of every call and every schema."""
    info = document["info"]
    groups: dict[str, list[str]] = {}
    for path, method, operation in _operations(document):
        groups.setdefault((operation.get("tags") or ["other"])[0], []).append(_operation(path, method, operation))
    body = "".join(f"<h2>{escape(tag)}</h2>{''.join(calls)}" for tag, calls in groups.items())
    schemas = document.get("components", {}).get("schemas", {})
    shapes = "".join(_fold(f"<code>{escape(name)}</code>", _json(schema), name) for name, schema in schemas.items())
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{escape(info["title"])}</title>'
        f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>"
        f'<p><a href="{escape(openapi_url)}">OpenAPI document</a></p>{body}<h2>schemas</h2>{shapes}</html>'
    )


def _operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    for path, item in document["paths"].items():
        for method in _METHODS:
            if method in item:
                yield path, method, item[method]


def _operation(path: str, method: str, operation: Mapping[str, Any]) -> str:
    title = f"<b>{method.upper()}</b><code>{escape(path)}</code> {escape(operation.get('summary', ''))}"
    parts = [f"<p>{escape(operation['description'])}</p>"] if operation.get("description") else []
    for name in ("parameters", "requestBody", "responses"):
        if operation.get(name):
            parts.append(f"<h4>{name}</h4>{_json(operation[name])}")
    return _fold(title, "".join(parts))


def _fold(title: str, inside: str, id: str = "") -> str:
    return f'<details id="{escape(id)}"><summary>{title}</summary>{inside}</details>'


def _json(value: Any) -> str:
    return f"<pre>{escape(json.dumps(value, ensure_ascii=False, indent=2))}</pre>"
