"""Alerts: lists, one with its timeline, every action of the contract. A row out of scope is 404 for each of them."""

from collections.abc import Collection, Mapping
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, TypeVar
from uuid import UUID

from fastapi import Depends, Query, Request
from pydantic import BaseModel
from starlette.responses import Response

from alerts import actions
from alerts import store as alert_store
from alerts.vocabulary import LIVE, Action, ActorKind, Severity, Status
from api.access import Caller, caller_in_any_case
from api.alert_access import actor_of, alert_params
from api.alert_models import (
    AlertObject,
    AlertWithTimeline,
    Arrival,
    CallMade,
    Closing,
    DispatchOrder,
    NoteText,
    Nothing,
    ReasonGiven,
    Reopening,
    Resolved,
    Verified,
)
from api.database import Db
from api.live.frames import dumps
from api.pagination import CursorText, Limit, Page, bad_cursor, read_cursor, write_cursor
from api.routing import answered_first_by, make_router
from api.services import Services, services_of
from api.store import account_names
from core.errors import FieldError, Invalid

router = make_router("/alerts", "alerts")

Word = TypeVar("Word", bound=StrEnum)

_ONE: dict[int | str, dict[str, Any]] = {200: {"model": AlertObject, "description": "The alert as it stands now."}}


def json_answer(value: Any) -> Response:
    """Already in the contract's form: passing it through a model again would only cost time in a storm."""
    return Response(dumps(value), media_type="application/json")


@router.get("", summary="Alerts in scope, newest first", responses={200: {"model": Page[AlertObject]}})
async def list_alerts(
    conn: Db,
    caller: Caller,
    services: Services,
    status: Annotated[
        str | None, Query(max_length=200, description="Comma list of statuses; `live`: all live.")
    ] = None,
    severity: Annotated[str | None, Query(max_length=40, description="Comma list of p0, p1, p2, p3.")] = None,
    elder_id: UUID | None = None,
    cursor: CursorText = None,
    limit: Limit = 100,
) -> Response:
    alerts, following = await alert_store.list_(
        conn,
        alert_params(caller),
        status=read_words(Status, "status", status, {"live": LIVE}),
        severity=read_words(Severity, "severity", severity, {}),
        elder_id=elder_id,
        cursor=None if cursor is None else _read_position(cursor),
        limit=limit,
    )
    items = await services.views.of_alerts(conn, alerts, services.now())
    next_cursor = None if following is None else write_cursor(following[0].isoformat(), str(following[1]))
    return json_answer({"items": items, "next_cursor": next_cursor})


def read_words(
    kind: type[Word], field: str, text: str | None, groups: Mapping[str, Collection[Word]]
) -> list[Word] | None:
    """A comma list of words of `kind`, where a word of `groups` stands for several. Raises Invalid for any other."""
    if text is None:
        return None
    found: set[Word] = set()
    for word in text.split(","):
        try:
            found |= set(groups.get(word.strip()) or (kind(word.strip()),))
        except ValueError:
            raise Invalid(FieldError(field, field, "unknown word")) from None
    return sorted(found)


def _read_position(cursor: str) -> tuple[datetime, UUID]:
    opened_at, id = read_cursor(cursor, 2)
    try:
        return datetime.fromisoformat(str(opened_at)), UUID(str(id))
    except ValueError:
        raise bad_cursor() from None


@router.get("/{alert_id}", summary="One alert with its timeline", responses={200: {"model": AlertWithTimeline}})
async def get_alert(alert_id: UUID, conn: Db, caller: Caller, services: Services) -> Response:
    alert = await alert_store.get(conn, alert_id, alert_params(caller))
    shown = await services.views.of_alert(conn, alert, services.now())
    entries = await alert_store.timeline(conn, alert_id)
    people = {entry.actor_id for entry in entries if entry.actor_kind == ActorKind.ACCOUNT and entry.actor_id}
    names = await account_names(conn, people)
    return json_answer({**shown, "timeline": [_entry(entry, names) for entry in entries]})


def _entry(entry: alert_store.TimelineEntry, names: Mapping[str, str]) -> dict[str, Any]:
    return {
        "seq": entry.seq,
        "type": entry.type,
        "at": entry.at,
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "name": names.get(entry.actor_id or "")},
        "detail": dict(entry.detail),
    }


class Acting:
    """One action on one alert by one caller, in the request's transaction."""

    def __init__(self, alert_id: UUID, conn: Db, caller: Caller, services: Services) -> None:
        # Who still holds the id under which it rang before it was stored acts on what it became.
        self._alert_id = services.emergency.watch.became(alert_id) or alert_id
        self._conn, self._caller, self._services = conn, caller, services

    async def do(self, action: Action, body: BaseModel | None) -> Response:
        """Raises what alerts.actions raises: NotFound first of all, so a stranger learns nothing."""
        now = self._services.now()
        given = {} if body is None else body.model_dump(mode="json", exclude_none=True)
        alert = await actions.act(self._conn, self._alert_id, action.value, given, actor_of(self._caller), now=now)
        return json_answer(await self._services.views.of_alert(self._conn, alert, now))


Act = Annotated[Acting, Depends()]


async def acknowledge_provisional(request: Request) -> Response | None:
    """An alert that is not stored is taken in this process, by whoever its token and our memory say is asking. No
    database and no Idempotency-Key: taking it twice is taking it once."""
    services = services_of(request)
    try:
        provisional = services.emergency.watch.find(UUID(request.path_params["alert_id"]))
    except ValueError:
        return None
    if provisional is None or provisional.stored_as is not None:
        return None
    scope = await caller_in_any_case(request, services)
    return json_answer(services.emergency.acknowledge(provisional, scope))


@router.post("/{alert_id}/acknowledge", summary="Take the alert", responses=_ONE)
@answered_first_by(acknowledge_provisional)
async def acknowledge(acting: Act, body: Nothing | None = None) -> Response:
    """The same holder again gets 200; while another person holds it, 409 `alert-held` says who and since when. An
    alert with `stored: false` is taken in this process and stored in the caller's name later."""
    return await acting.do(Action.ACKNOWLEDGE, body)


@router.post("/{alert_id}/release", summary="Put it back", responses=_ONE)
async def release(acting: Act, body: ReasonGiven | None = None) -> Response:
    """The holder gives it back; it waits for somebody again, with its original clock."""
    return await acting.do(Action.RELEASE, body)


@router.post("/{alert_id}/takeover", summary="Take it over from its holder", responses=_ONE)
async def takeover(acting: Act, body: ReasonGiven | None = None) -> Response:
    """For a shift supervisor; for any operator once the holder is gone for 45 s."""
    return await acting.do(Action.TAKEOVER, body)


@router.post("/{alert_id}/assist", summary="Help the holder", responses=_ONE)
async def assist(acting: Act, body: ReasonGiven | None = None) -> Response:
    """The holder stays the holder."""
    return await acting.do(Action.ASSIST, body)


@router.post("/{alert_id}/call", summary="Record a call", responses=_ONE)
async def call(acting: Act, body: CallMade) -> Response:
    return await acting.do(Action.CALL, body)


@router.post("/{alert_id}/verify", summary="Say whether somebody is in need", responses=_ONE)
async def verify(acting: Act, body: Verified) -> Response:
    """`no_answer` counts as real."""
    return await acting.do(Action.VERIFY, body)


@router.post("/{alert_id}/dispatch", summary="Send a responder or call a service", responses=_ONE)
async def dispatch(acting: Act, body: DispatchOrder) -> Response:
    return await acting.do(Action.DISPATCH, body)


@router.post("/{alert_id}/arrive", summary="Be there", responses=_ONE)
async def arrive(acting: Act, body: Arrival) -> Response:
    """By the responder who was sent, or by the holder on their word."""
    return await acting.do(Action.ARRIVE, body)


@router.post("/{alert_id}/resolve", summary="Say how it ended", responses=_ONE)
async def resolve(acting: Act, body: Resolved) -> Response:
    return await acting.do(Action.RESOLVE, body)


@router.post("/{alert_id}/close", summary="Close a resolved alert", responses=_ONE)
async def close(acting: Act, body: Closing) -> Response:
    """A false P0 is closed by another person than its holder."""
    return await acting.do(Action.CLOSE, body)


@router.post("/{alert_id}/reopen", summary="Open a closed alert again", responses=_ONE)
async def reopen(acting: Act, body: Reopening) -> Response:
    """Within 24 h of its closing."""
    return await acting.do(Action.REOPEN, body)


@router.post("/{alert_id}/note", summary="Add a note", responses=_ONE)
async def note(acting: Act, body: NoteText) -> Response:
    return await acting.do(Action.NOTE, body)
