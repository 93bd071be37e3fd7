"""The way of a request to its handler: straight for fixed paths, by Starlette's routes for all others."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from server.app import App
from server.http import guarded, json_response


@guarded
async def fixed(request: Request) -> Response:
    return json_response({"body": (await request.body()).decode(), "query": request.query_params.get("q")})


@guarded
async def failing(request: Request) -> Response:
    raise ValueError("a bug")


@guarded
async def named(request: Request) -> Response:
    return json_response({"name": request.path_params["name"]})


ROUTES = [
    Route("/fixed", fixed, methods=["POST"]),
    Route("/failing", failing, methods=["POST"]),
    Route("/names/{name}", named, methods=["GET"]),
]


async def ask(method: str, path: str, *, root_path: str = "", query: bytes = b"") -> tuple[int, dict[str, Any]]:
    sent: list[Any] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"hello", "more_body": False}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "query_string": query,
        "headers": [],
    }
    await App(ROUTES, None)(scope, receive, send)
    return sent[0]["status"], msgspec.json.decode(sent[1]["body"])


@pytest.mark.parametrize(
    ("method", "path", "root_path", "status"),
    [
        pytest.param("POST", "/fixed", "", 200, id="straight"),
        pytest.param("POST", "/base/fixed", "/base", 200, id="under_a_root_path"),
        pytest.param("GET", "/fixed", "", 405, id="another_method"),
        pytest.param("POST", "/nowhere", "", 404, id="unknown_path"),
        pytest.param("GET", "/names/ana", "", 200, id="with_a_parameter"),
        pytest.param("POST", "/failing", "", 503, id="a_handler_that_fails"),
    ],
)
async def test_a_request_is_answered_whichever_way_it_takes(
    method: str, path: str, root_path: str, status: int
) -> None:
    assert (await ask(method, path, root_path=root_path))[0] == status


async def test_a_handler_that_is_reached_straight_gets_body_and_query() -> None:
    assert await ask("POST", "/fixed", query=b"q=1") == (200, {"body": "hello", "query": "1"})
