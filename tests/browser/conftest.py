"""A real Chromium, the page, and the fake server that tests play by hand."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest
import uvicorn
from playwright.async_api import Browser, BrowserContext, async_playwright

from tests.browser.chat_page import ChatPage
from tests.browser.fake_server import FakeServer
from tests.browser.tcp_proxy import TcpProxy

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

OpenChat = Callable[..., Awaitable[ChatPage]]


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    if not Path(CHROMIUM).exists() and shutil.which(CHROMIUM) is None:
        pytest.skip(f"no browser at {CHROMIUM}: set CHROMIUM")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield chromium
        await chromium.close()


@pytest.fixture
async def fake() -> FakeServer:
    return FakeServer()


@pytest.fixture
async def server_port(fake: FakeServer) -> AsyncIterator[int]:
    listener = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(fake.app(), log_level="warning", lifespan="off", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server._serve([listener]), name="fake-server")
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving
    listener.close()


@pytest.fixture
async def proxy(server_port: int) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(server_port) as proxy:
        yield proxy


@pytest.fixture
async def base_url(proxy: TcpProxy) -> str:
    return f"http://127.0.0.1:{proxy.port}"


@pytest.fixture
async def context(browser: Browser) -> AsyncIterator[BrowserContext]:
    context = await browser.new_context(locale="en-US", viewport={"width": 1100, "height": 760})
    yield context
    await context.close()


@pytest.fixture
async def open_chat(context: BrowserContext, base_url: str) -> OpenChat:
    """Open the full page in a new tab, connected."""

    async def open_page() -> ChatPage:
        page = await context.new_page()
        chat = ChatPage(page)
        await page.goto(base_url)
        await chat.wait_live()
        return chat

    return open_page


@pytest.fixture
async def chat(open_chat: OpenChat) -> ChatPage:
    return await open_chat()
