"""/healthz, /readyz and /metrics of the API process."""

from fastapi import APIRouter
from starlette.responses import JSONResponse, Response

from api.health import checks
from api.services import Services
from core.runtime.status import metrics_response, readiness, run_checks

router = APIRouter(tags=["operations"])


@router.get("/healthz", summary="The process is alive")
async def healthz() -> dict[str, bool]:
    return {"alive": True}


@router.get("/readyz", summary="Database, broker and the engine's last cycle are fine", response_class=JSONResponse)
async def readyz(services: Services) -> Response:
    status, body = readiness(await run_checks(checks(services)))
    return JSONResponse(body, status)


@router.get("/metrics", summary="Prometheus metrics", response_class=Response)
async def metrics() -> Response:
    return metrics_response()
