"""All routers, in the order of the documentation. A new file of routes is added here and nowhere else."""

from fastapi import APIRouter

from api.routes import (
    alerts,
    auth,
    devices,
    dictionary,
    elders,
    health,
    live,
    me,
    plain,
    readings,
    reference,
    timeline,
)

# Below /api/v1, made with api.routing.make_router (the stream is no HTTP call and has a router of its own).
API_ROUTERS: tuple[APIRouter, ...] = (
    auth.router,
    me.router,
    alerts.router,
    live.router,
    elders.router,
    readings.router,
    timeline.router,
    devices.router,
    dictionary.router,
)
# At the root: health, metrics, pages.
ROOT_ROUTERS: tuple[APIRouter, ...] = (health.router, reference.router, plain.router)
