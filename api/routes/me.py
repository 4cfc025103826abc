"""GET /me: what the caller is and may do; a client decides by it what to show, the server never does."""

from uuid import UUID

from pydantic import BaseModel, Field

from api.access import Caller
from api.routing import make_router

router = make_router("", "account")


class Scopes(BaseModel):
    """What the caller sees."""

    everything: bool = Field(description="An admin's view: nothing is filtered.")
    centre_ids: list[UUID]
    region_prefixes: list[str] = Field(description="Beginnings of region codes: that region and all below it.")
    elder_ids: list[UUID] = Field(description="Elders followed as a family member.")


class Me(BaseModel):
    """The signed-in account."""

    id: UUID
    username: str
    display_name: str
    locale: str
    roles: list[str]
    scopes: Scopes
    permissions: list[str]
    scope_version: int


@router.get("/me", summary="The caller's roles, scopes and permissions")
async def me(caller: Caller) -> Me:
    return Me(
        id=caller.account_id,
        username=caller.username,
        display_name=caller.display_name,
        locale=caller.locale,
        roles=sorted(caller.roles),
        scopes=Scopes(
            everything=caller.everything,
            centre_ids=list(caller.centre_ids),
            region_prefixes=list(caller.region_prefixes),
            elder_ids=list(caller.elder_ids),
        ),
        permissions=list(caller.permissions),
        scope_version=caller.scope_version,
    )
