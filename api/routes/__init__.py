"""All routers, in the order of the documentation. A new file of routes is added here and nowhere else."""

from fastapi import APIRouter

from api.routes import auth, health, me

# Below /api/v1, made with api.routing.make_router.
API_ROUTERS: tuple[APIRouter, ...] = (auth.router, me.router)
# At the root: health, metrics, pages.
ROOT_ROUTERS: tuple[APIRouter, ...] = (health.router,)
