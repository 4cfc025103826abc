"""GET /dictionary: the words for every code, in both languages."""

from pydantic import BaseModel, RootModel

from api.access import Caller
from api.dictionary import dictionary
from api.routing import make_router

router = make_router("", "dictionary")


class Label(BaseModel):
    """One code's words."""

    zh: str
    en: str


class Dictionary(RootModel[dict[str, dict[str, Label]]]):
    """Group (statuses, severities, rules, roles, event_types, metrics, close_codes, …) → code → label."""


@router.get("/dictionary", summary="Labels of statuses, severities, rules, roles and the rest")
async def labels(caller: Caller) -> Dictionary:
    return Dictionary.model_validate(dictionary())
