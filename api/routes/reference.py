"""GET /api/v1/docs: the API's documentation as one page."""

from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from api.reference import POLICY, reference_page
from api.routing import API_PREFIX

router = APIRouter(tags=["operations"])


@router.get(f"{API_PREFIX}/docs", include_in_schema=False)
async def docs(request: Request) -> Response:
    page = reference_page(request.app.openapi(), request.app.openapi_url)
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})
