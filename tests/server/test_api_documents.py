"""The documents of the API: valid in themselves, and shown by pages that need nothing but this server."""

from __future__ import annotations

import itertools
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
import pytest
import pytest_asyncio
from jsonschema import Draft202012Validator
from playwright.async_api import Browser, ConsoleMessage, Page, async_playwright, expect

from tests.server.conftest import RunningNode

pytestmark = pytest.mark.asyncio(loop_scope="session")

CHROMIUM: Final = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
DOCS: Final = Path(__file__).parents[2] / "static" / "docs"
VENDOR: Final = DOCS / "vendor"
OPENAPI_SCHEMA: Final = Path(__file__).parent / "openapi-3.1-schema.json"
PAGES: Final = [
    pytest.param("/docs", "Prosa: documents of the API", ".way", id="entry"),
    pytest.param("/docs/api", "Prosa: HTTP API", ".opblock", id="http_api"),
    pytest.param("/docs/live", "Prosa: live protocol", "#messages", id="live_protocol"),
]


@dataclass(frozen=True, kw_only=True)
class Visit:
    """An open page, and what it did that a reader does not see. Violations of the policy are on its console."""

    page: Page
    console: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    hosts: set[str] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)

    def watch(self) -> None:
        """Take notes from now on."""
        self.page.on("console", lambda message: self.console.append(_line(message)))
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.hosts.add(urlsplit(request.url).netloc))
        self.page.on("requestfailed", lambda request: self.failed.append(request.url))
        self.page.on("response", lambda response: self._answered(response.status, response.url))

    def _answered(self, status: int, url: str) -> None:
        if status >= 400:
            self.failed.append(f"{status} {url}")


OpenPage = Callable[[str], AbstractAsyncContextManager[Visit]]


@pytest_asyncio.fixture(loop_scope="session", scope="module")
async def browser() -> AsyncIterator[Browser]:
    """A real Chromium."""
    if not CHROMIUM.exists():
        pytest.skip(f"no browser at {CHROMIUM}: set CHROMIUM")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest.fixture
def open_page(browser: Browser, development_node: RunningNode) -> OpenPage:
    """Open a page of the node under watch."""

    @asynccontextmanager
    async def opened(path: str) -> AsyncIterator[Visit]:
        page = await browser.new_page(base_url=development_node.url, viewport={"width": 1700, "height": 900})
        visit = Visit(page=page)
        visit.watch()
        await page.goto(path)
        yield visit
        await page.close()

    return opened


@pytest_asyncio.fixture(loop_scope="session")
async def documents(development_node: RunningNode) -> dict[str, dict[str, Any]]:
    """Both documents as served, `openapi` and `asyncapi`."""
    async with development_node.http() as http:
        return {name: (await http.get(f"/docs/{name}.json")).json() for name in ("openapi", "asyncapi")}


@pytest.fixture
def openapi(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The OpenAPI document as served."""
    return documents["openapi"]


@pytest.fixture
def asyncapi(documents: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """The AsyncAPI document as served."""
    return documents["asyncapi"]


@pytest.mark.parametrize(("path", "title", "shown"), PAGES)
async def test_a_page_shows_its_document_without_errors_or_other_hosts(
    open_page: OpenPage, development_node: RunningNode, path: str, title: str, shown: str
) -> None:
    async with open_page(path) as visit:
        await visit.page.locator(shown).first.wait_for()
        await visit.page.wait_for_load_state("networkidle")
        found = await visit.page.title()
    assert found == title
    assert visit.console == []
    assert visit.errors == []
    assert visit.failed == []
    assert visit.hosts == {urlsplit(development_node.url).netloc}


@pytest.mark.parametrize(("path", "title", "shown"), PAGES)
async def test_a_page_has_a_policy_without_inline_code_or_eval(
    development_node: RunningNode, path: str, title: str, shown: str
) -> None:
    async with development_node.http() as http:
        response = await http.get(path)
    directives = _directives(response)
    assert title in response.text
    assert directives["default-src"] == "'none'"
    assert directives["script-src"] == "'self'"
    assert directives["style-src"] == "'self'"
    assert "'self'" in directives["connect-src"]


async def test_the_entry_page_leads_to_both_documents(open_page: OpenPage) -> None:
    async with open_page("/docs") as visit:
        await visit.page.get_by_role("link", name="HTTP API").click()
        await visit.page.locator(".opblock").first.wait_for()
        await visit.page.get_by_role("link", name="Live protocol").click()
        await visit.page.locator("#messages").wait_for()
        address = urlsplit(visit.page.url).path
    assert address == "/docs/live"


async def test_the_api_page_lists_every_operation(open_page: OpenPage, openapi: dict[str, Any]) -> None:
    async with open_page("/docs/api") as visit:
        operations = visit.page.locator(".opblock .opblock-summary-path")
        await operations.first.wait_for()
        methods = await visit.page.locator(".opblock .opblock-summary-method").all_text_contents()
        paths = await operations.evaluate_all("nodes => nodes.map(node => node.dataset.path)")
    assert sorted(zip(methods, paths, strict=True)) == sorted(
        (method.upper(), path) for path, method, _ in _operations(openapi)
    )


async def test_a_request_can_be_tried_on_the_api_page(open_page: OpenPage, development_node: RunningNode) -> None:
    async with open_page("/docs/api") as visit:
        health = visit.page.locator(".opblock", has=visit.page.locator('[data-path="/health"]'))
        await health.locator(".opblock-summary-control").click()
        await health.get_by_role("button", name="Execute").click()
        answer = health.locator(".live-responses-table .response").first
        await expect(answer).to_contain_text("200")
        await expect(answer).to_contain_text('"status": "ok"')
    assert visit.console == []
    assert visit.hosts == {urlsplit(development_node.url).netloc}


async def test_the_live_page_shows_every_message_with_fields_and_example(
    open_page: OpenPage, asyncapi: dict[str, Any]
) -> None:
    async with open_page("/docs/live") as visit:
        await visit.page.locator("#messages").wait_for()
        shown = await visit.page.locator('li[id^="message-"]').evaluate_all(_READ_MESSAGES)
    assert sorted(shown) == sorted(_messages(asyncapi))


async def test_a_type_that_both_sides_send_has_two_places_on_the_live_page(open_page: OpenPage) -> None:
    async with open_page("/docs/live") as visit:
        await visit.page.locator("#messages").wait_for()
        places = visit.page.locator('li[id^="message-typing"]')
        labels = await places.evaluate_all("nodes => nodes.map(node => node.id)")
    assert labels == ["message-typing", "message-typing (TypingSignal)"]


async def test_the_live_page_tells_who_sends_what(open_page: OpenPage, asyncapi: dict[str, Any]) -> None:
    async with open_page("/docs/live") as visit:
        await visit.page.locator("#messages").wait_for()
        client = await visit.page.locator("#operation-receive-sendToServer").inner_text()
        server = await visit.page.locator("#operation-send-receiveFromServer").inner_text()
    assert "session.open" in client
    assert "message.delta" not in client
    assert "message.delta" in server
    assert "session.open\n" not in server


async def test_the_openapi_document_keeps_the_schema_of_openapi_3_1(openapi: dict[str, Any]) -> None:
    """The schema is OpenAPI's own, https://spec.openapis.org/oas/3.1/schema/2022-10-07 (Apache-2.0), unchanged."""
    schema = json.loads(OPENAPI_SCHEMA.read_bytes())
    assert [error.message for error in Draft202012Validator(schema).iter_errors(openapi)] == []


async def test_operation_ids_are_unique(openapi: dict[str, Any]) -> None:
    ids = [operation["operationId"] for _, _, operation in _operations(openapi)]
    assert len(ids) == len(set(ids)) > 0


async def test_every_part_of_a_path_in_braces_is_a_required_parameter(openapi: dict[str, Any]) -> None:
    in_paths = {(path, name) for path, _, _ in _operations(openapi) for name in _braced(path)}
    declared = {
        (path, parameter["name"])
        for path, _, operation in _operations(openapi)
        for parameter in operation["parameters"]
        if parameter["in"] == "path" and parameter["required"]
    }
    assert declared == in_paths


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
async def test_every_reference_leads_to_something(documents: dict[str, dict[str, Any]], name: str) -> None:
    document = documents[name]
    pointers = {node["$ref"] for node in _nodes(document) if "$ref" in node}
    assert len(pointers) > 0
    assert [pointer for pointer in sorted(pointers) if not _leads_somewhere(document, pointer)] == []


@pytest.mark.parametrize("name", ["openapi", "asyncapi"])
async def test_every_schema_is_json_schema_2020_12(documents: dict[str, dict[str, Any]], name: str) -> None:
    schemas = documents[name]["components"]["schemas"]
    errors = {key: list(_META_SCHEMA.iter_errors(schema)) for key, schema in schemas.items()}
    assert len(schemas) > 0
    assert {key: found for key, found in errors.items() if found} == {}


async def test_the_vendored_viewers_are_small_and_without_source_maps() -> None:
    files = [path for path in VENDOR.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) < 4_000_000
    assert [path for path in files if path.suffix == ".map"] == []
    assert {path.parent.name for path in files if path.name.startswith("LICENSE")} == {"swagger-ui", "asyncapi"}


@pytest.mark.parametrize("package", ["swagger-ui-dist", "@asyncapi/react-component"])
async def test_the_note_beside_the_viewers_names_the_versions_that_are_pinned(package: str) -> None:
    pinned = json.loads((DOCS / "viewer" / "package-lock.json").read_bytes())["packages"][f"node_modules/{package}"]
    assert f"`{package}` | {pinned['version']} | {pinned['license']} " in (VENDOR / "README.md").read_text("utf-8")


_META_SCHEMA: Final = Draft202012Validator(Draft202012Validator.META_SCHEMA)
_READ_MESSAGES: Final = """nodes => nodes.map((node) => {
  const fields = [...node.querySelectorAll('[id$="-payload"] .italic')].map((field) => field.textContent);
  return [JSON.parse(node.querySelector("code.language-json").textContent).type, fields.sort()];
})"""


def _operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    """Path, method and content of each operation."""
    return [(path, method, content) for path, item in document["paths"].items() for method, content in item.items()]


def _messages(document: dict[str, Any]) -> list[list[Any]]:
    """Wire type and sorted fields of each message."""
    components = document["components"]
    return [
        [message["name"], sorted(_at(document, message["payload"]["$ref"])["properties"])]
        for message in components["messages"].values()
    ]


def _braced(path: str) -> list[str]:
    return [part.strip("{}") for part in path.split("/") if part.startswith("{")]


def _nodes(value: Any) -> Iterator[dict[str, Any]]:
    """Every object in a document, itself first."""
    if isinstance(value, dict):
        yield value
    children = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    yield from itertools.chain.from_iterable(_nodes(child) for child in children)


def _at(document: dict[str, Any], pointer: str) -> Any:
    found: Any = document
    for name in pointer.removeprefix("#/").split("/"):
        found = found[name]
    return found


def _leads_somewhere(document: dict[str, Any], pointer: str) -> bool:
    try:
        return bool(_at(document, pointer))
    except KeyError:
        return False


def _directives(response: httpx2.Response) -> dict[str, str]:
    """The content policy by directive."""
    parts = (part.strip().partition(" ") for part in response.headers["content-security-policy"].split(";"))
    return {name: value for name, _, value in parts}


def _line(message: ConsoleMessage) -> str:
    return f"{message.type}: {message.text}"
