"""The OpenAPI document as it is true for us: every refusal and failure is an application/problem+json."""

from typing import Any

from fastapi import FastAPI
from pydantic import BaseModel, Field


class BrokenRule(BaseModel):
    """One broken rule of the input."""

    field: str = Field(description="Dotted path, without body or query in front.")
    rule: str = Field(description="Stable code of the rule.")
    message: str = Field(description="A sentence in the caller's language.")


class ProblemDocument(BaseModel):
    """Any refusal or failure (RFC 9457)."""

    type: str = Field(description="Ends in the stable code.")
    title: str
    status: int
    detail: str = Field(description="A sentence in the caller's language: zh-CN, or en when asked for.")
    instance: str
    code: str = Field(description="The stable code by itself.")
    reference: str = Field(description="Finds the request in the logs.")
    errors: list[BrokenRule] | None = Field(default=None, description="On 422: what exactly is wrong.")


def _problem(description: str) -> dict[str, Any]:
    schema = {"$ref": "#/components/schemas/ProblemDocument"}
    return {"description": description, "content": {"application/problem+json": {"schema": schema}}}


class Application(FastAPI):
    """FastAPI, except that it does not describe a 422 body that we never send."""

    def openapi(self) -> dict[str, Any]:
        if self.openapi_schema is None:
            self.openapi_schema = _corrected(super().openapi())
        return self.openapi_schema


def _corrected(document: dict[str, Any]) -> dict[str, Any]:
    schemas = document["components"]["schemas"]
    for name in ("HTTPValidationError", "ValidationError"):
        schemas.pop(name, None)
    for model in (BrokenRule, ProblemDocument):
        schemas[model.__name__] = model.model_json_schema(ref_template="#/components/schemas/{model}")
        schemas[model.__name__].pop("$defs", None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    for item in document["paths"].values():
        for operation in item.values():
            if operation["responses"].pop("422", None):
                operation["responses"]["422"] = _problem("The input breaks a rule.")
            operation["responses"]["default"] = _problem("Any other refusal or failure.")
    return document
