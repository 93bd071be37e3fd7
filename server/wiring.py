"""The composition root: builds all with plain constructors. Only it and, for models, `vendors.py` name adapters."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.routing import BaseRoute

from agent.answer_cache import AnswerCaching
from agent.budget import TokenCounter
from agent.replay_journal import document as replayed
from agent.routing.breaker import Breaker
from agent.routing.metered import Metered
from agent.routing.policy import Policy, load_policies
from agent.routing.router import Router
from agent.runner import Runner
from agent.settings import AgentConfig, load_agents
from core.asyncapi import document as asyncapi
from core.clock import Clock, SystemClock
from core.errors import BackendError, SettingsError
from core.flag_catalog import Catalog
from core.ids import Ids, SystemIds
from core.measurements import Measures
from core.ports import Books, FlagBooks, Flags, Pricing, Provider, Tools
from core.turns import Principal, TakenTurn
from memory.backends import Memory, open_memory
from memory.flags.open_feature import open_feature_flags
from metrics.logs import mask_prompt
from metrics.model_figures import ModelFigures
from metrics.price_file import load_prices
from metrics.pricing import ListedPricing
from metrics.prometheus import Prometheus
from metrics.recorder import Recorder, RefusedRecords
from metrics.sql.flags import SqlFlags
from metrics.sql.opening import open_books
from server.app import make_app
from server.auth import Authenticator
from server.connection import Connection
from server.flag_restoring import restore_flags
from server.flag_routes import flag_routes
from server.handing_on import HandingOnWriter
from server.housekeeping import housekeeping
from server.leaving import Leaving
from server.lifeline_holder import LifelineHolder
from server.model_statuses import ClusterStatuses, breaker_of
from server.near import near_answers
from server.node import Node
from server.openapi import openapi
from server.outbound import Transport
from server.routing import budget_left, language_of, limits_by_flags
from server.routing_flags import routing_catalog
from server.sessions import Sessions
from server.settings import Settings
from server.supervision import attempt, end_tasks, supervise
from server.transports.cache import Cache
from server.transports.chat import Chat
from server.transports.health import Health
from server.transports.pages import Pages
from server.transports.rest import Rest
from server.transports.sse import EventStream
from server.transports.websocket import WebSocketDoor
from server.vendors import build_embedder, build_providers
from server.worker import Worker
from tools import Registry
from tools.builtin.last_values import LastValuesFile
from tools.builtin.market import Market, MarketSettings
from tools.builtin.sales import SalesTools, create_sales_engine, holds_demo, load_sales

if TYPE_CHECKING:
    from agent.semantic.near_answers import NearAnswers

VERSION: Final = "0.1.0"
DEMO_TODAY: Final = date(2017, 12, 31)
"""The last day of the demo data: what "today" is for it (tools/builtin/sales/data/README.md)."""
STATIC: Final = Path(__file__).parent.parent / "static"


@dataclass(frozen=True, kw_only=True)
class _Parts:
    """What everything else is built from."""

    settings: Settings
    clock: Clock
    ids: Ids
    metrics: Prometheus
    agents: Mapping[str, AgentConfig]
    books: Books
    memory: Memory
    tools: Tools
    today: date | None
    counter: TokenCounter
    policies: Mapping[str, Policy]
    router: Router
    pricing: Pricing
    node_id: str
    catalog: Catalog
    flags: Flags
    flag_books: FlagBooks
    figures: ModelFigures
    statuses: ClusterStatuses
    near: NearAnswers | None


@asynccontextmanager
async def build(settings: Settings, extra_providers: Mapping[str, Provider] | None = None) -> AsyncIterator[Node]:
    """Build a node; leaving the block takes it apart in reverse order. Raises SettingsError.

    `extra_providers` are known beside the built-in ones; a test gives a scripted one here.
    """
    async with AsyncExitStack() as stack:
        try:
            parts = await _parts(stack, settings, extra_providers or {})
        except BackendError as error:
            raise SettingsError(error.message) from error
        node = _node(parts)
        await _background(stack, "connections", node.watch_connections)
        if node.worker is not None:
            recorder = Recorder(parts.memory.outbox, parts.books, parts.metrics, RefusedRecords(settings.data_dir))
            await _background(stack, "recorder", recorder.run)
            memory = parts.memory
            loops = housekeeping(memory.queue, memory.sessions, parts.books, memory.flags, parts.flag_books)
            for name, loop in loops.items():
                await _background(stack, name, loop)
            await _background(stack, "model statuses", parts.statuses.tell)
            await _background(stack, "token counter", parts.counter.load, once=True)
            if settings.redis_url is not None:  # the embedded Valkey ends with this process anyway
                arguments = [settings.redis_url, str(settings.partitions), parts.node_id]
                await _background(stack, "lifeline", LifelineHolder("memory.dead_node", arguments).run)
            await stack.enter_async_context(node.worker)
        yield node


async def _parts(stack: AsyncExitStack, settings: Settings, extra_providers: Mapping[str, Provider]) -> _Parts:
    clock, ids, metrics = SystemClock(), SystemIds(), Prometheus()
    _make_folder(settings.data_dir)
    agents = load_agents(settings.agents_dir)
    if settings.agent not in agents:
        raise SettingsError(f"AGENT is {settings.agent!r}; AGENTS_DIR has {', '.join(sorted(agents))}.")
    books = await stack.enter_async_context(open_books(settings.database_url, settings.data_dir, clock))
    node_id = ids.new("node")
    memory = await stack.enter_async_context(
        open_memory(
            redis_url=settings.redis_url,
            data_dir=settings.data_dir,
            node=node_id,
            partitions=settings.partitions,
            running_turns=settings.tenant_turns,
            fsync_before_ok=settings.fsync_before_ok,
            clock=clock,
            ids=ids,
            measure=metrics,
        )
    )
    flag_books = SqlFlags(books.engine)
    await restore_flags(memory.flags, flag_books)
    tools, today = await stack.enter_async_context(_tools(settings, clock))
    pricing = ListedPricing(clock, None if settings.prices_file is None else load_prices(settings.prices_file))
    catalog = routing_catalog(lambda names: router.check(names))  # noqa: PLW0108 - it is made below, with these flags
    flags = stack.enter_context(open_feature_flags(memory.flags, catalog, node_id))
    policies = load_policies(settings.agents_dir / "policies")
    counter = TokenCounter(cache_dir=settings.data_dir / "tokens")
    limits_for = limits_by_flags(flags, settings.budget_limits)
    breakers: dict[str, Breaker] = {}
    for name, provider in {**build_providers(settings, ids), **extra_providers}.items():
        metered = Metered(
            provider,
            budgets=memory.budgets,
            limits_for=limits_for,
            pricing=pricing,
            counter=counter,
            clock=clock,
            ids=ids,
            allow_unpriced=settings.budget_unpriced == "allow",
        )
        breakers[name] = Breaker(metered)
        stack.push_async_callback(metered.close)  # what ended last is settled first, while Redis is still there
    embedder = build_embedder(settings)
    if embedder is not None:
        stack.push_async_callback(embedder.close)
    figures = ModelFigures(clock, breaker_of(breakers))
    router = Router(
        breakers,
        settings.model,
        settings.llm_fallbacks,
        agents=agents,
        policies=policies,
        flags=flags,
        pricing=pricing,
        budget_left=budget_left(memory.budgets, limits_for),
        detect_language=language_of,
        missing=settings.missing,
    )
    return _Parts(
        settings=settings,
        clock=clock,
        ids=ids,
        metrics=metrics,
        agents=agents,
        books=books,
        memory=memory,
        tools=tools,
        today=today,
        policies=policies,
        router=router,
        counter=counter,
        pricing=pricing,
        node_id=node_id,
        catalog=catalog,
        flags=flags,
        flag_books=flag_books,
        figures=figures,
        statuses=ClusterStatuses(figures, memory.statuses, clock, node_id=node_id, name=settings.node),
        near=near_answers(
            embedder,
            agents,
            questions=memory.near_questions,
            store=memory.near_questions,
            answers=memory.answers,
            measure=metrics,
        ),
    )


def _node(parts: _Parts) -> Node:
    settings = parts.settings
    sessions = Sessions(
        store=parts.memory.sessions,
        log=parts.memory.log,
        queue=parts.memory.queue,
        feedbacks=parts.memory.feedbacks,
        deliveries=parts.memory.deliveries,
        books=parts.books,
        tools=parts.tools,
        clock=parts.clock,
        ids=parts.ids,
        measure=parts.metrics,
        agents=parts.agents,
        default_agent=settings.agent,
    )
    connections: set[Connection] = set()
    draining, leaving = asyncio.Event(), Leaving()
    routes = _health(parts, draining)
    door = None
    if "web" in settings.roles:
        authenticator = Authenticator(settings)
        door = _door(parts, sessions, authenticator, connections)
        routes += _web_routes(parts, sessions, authenticator, leaving)
        routes += flag_routes(
            settings,
            authenticator,
            catalog=parts.catalog,
            flags=parts.flags,
            store=parts.memory.flags,
            books=parts.flag_books,
            agents=parts.agents,
            policies=parts.policies,
            check_model=parts.router.candidate,
            pricing=parts.pricing,
            statuses=parts.statuses,
        )
    return Node(
        app=make_app(routes, door),
        connections=connections,
        leaving=leaving,
        worker=_worker(parts) if "worker" in settings.roles else None,
        draining=draining,
        measure=parts.metrics,
    )


def _web_routes(parts: _Parts, sessions: Sessions, authenticator: Authenticator, leaving: Leaving) -> list[BaseRoute]:
    settings = parts.settings
    chat = Chat(
        sessions=sessions,
        authenticator=authenticator,
        clock=parts.clock,
        ids=parts.ids,
        wait_s=settings.chat_wait_s,
        check_model=parts.router.candidate,
        leaving=leaving,
    )
    event_stream = EventStream(sessions, authenticator, parts.metrics, leaving)
    rest = Rest(
        sessions=sessions,
        authenticator=authenticator,
        books=parts.books,
        replay=lambda journal: replayed(journal, parts.agents.get(journal.input.agent), parts.tools.specs()),
        public_config=_public_config(settings, parts.agents[settings.agent]),
    )
    cache = Cache(authenticator, parts.memory.answers)
    documents = {
        "openapi": lambda: msgspec.json.encode(openapi(VERSION)),
        "asyncapi": lambda: msgspec.json.encode(asyncapi()),
    }
    return [*event_stream.routes(), *chat.routes(), *rest.routes(), *cache.routes(), *Pages(STATIC, documents).routes()]


def _door(
    parts: _Parts, sessions: Sessions, authenticator: Authenticator, connections: set[Connection]
) -> WebSocketDoor:
    def connect(principal: Principal | None, transport: Transport) -> Connection:
        return Connection(
            sessions=sessions,
            authenticator=authenticator,
            principal=principal,
            transport=transport,
            clock=parts.clock,
        )

    return WebSocketDoor(authenticator, connect, connections)


def _health(parts: _Parts, draining: asyncio.Event) -> list[BaseRoute]:
    async def check() -> dict[str, bool]:
        return {"redis": parts.memory.ready(), "sql": await parts.books.ready(), "accepting": not draining.is_set()}

    return [*Health(node=parts.settings.node, check=check, render_metrics=parts.metrics.render).routes()]


def _worker(parts: _Parts) -> Worker:
    queue, store, hand_on = parts.memory.queue, parts.memory.sessions, asyncio.Event()
    runner = Runner(
        agents=parts.agents,
        tools=parts.tools,
        choose_models=parts.router,
        pricing=parts.pricing,
        clock=parts.clock,
        ids=parts.ids,
        measure=Measures(parts.metrics, parts.figures),
        counter=parts.counter,
        reference_date=parts.today,
        on_cancel=queue.on_cancel,
        mask=mask_prompt,
        caching=AnswerCaching(parts.memory.answers, parts.tools, parts.flags, parts.near),
    )

    async def run_turn(turn: TakenTurn) -> None:
        was_begun = turn.attempt > 1 or turn.runs > 1 or turn.journal
        shown = await store.view(turn.session) if was_begun else None
        writer = HandingOnWriter(queue.writer(turn), hand_on.is_set)
        await runner.run(turn, writer, history=turn.history, shown=shown)
        if writer.handed_on:
            await queue.release(turn)

    return Worker(
        queue=queue,
        run_turn=run_turn,
        measure=parts.metrics,
        most=parts.settings.worker_concurrency,
        drain_s=parts.settings.drain_s,
        hand_on=hand_on,
    )


def _public_config(settings: Settings, agent: AgentConfig) -> dict[str, Any]:
    return {
        "agent": agent.name,
        "title": agent.title,
        "starters": agent.starters,
        "offline": (agent.model or settings.model).startswith("offline:"),
        "model": (agent.model or settings.model).partition(":")[2] if agent.reveal != "title" else None,
    }


@asynccontextmanager
async def _tools(settings: Settings, clock: Clock) -> AsyncIterator[tuple[Tools, date | None]]:
    """The tools, and what "today" is for them: None is the real day."""
    engine = create_sales_engine(settings.sales_url)
    market = Market(
        MarketSettings(
            base_url=settings.market_base_url,
            allowed_hosts=settings.market_allowed_hosts,
            timeout_s=settings.market_timeout_s,
            cache_s=settings.market_cache_s,
        ),
        LastValuesFile(settings.data_dir / "market.json"),
        clock=clock,
    )
    try:
        await _load_demo(engine)
        today = settings.reference_date
        if today is None and await holds_demo(engine):
            today = DEMO_TODAY
        sales = SalesTools(engine, reference_date=today, clock=clock)
        yield Registry([*sales.tools(), *market.tools()], clock=clock), today
    finally:
        await market.close()
        await engine.dispose()


async def _load_demo(engine: AsyncEngine) -> None:
    try:
        await load_sales(engine)
    except (SQLAlchemyError, OSError) as error:
        raise SettingsError(
            "SALES_DATABASE_URL: the database cannot be reached or used; check the URL and that it runs."
        ) from error


async def _background(
    stack: AsyncExitStack, name: str, work: Callable[[], Awaitable[None]], *, once: bool = False
) -> None:
    """Do supervised work while the stack lasts: for ever, or (`once`) until it has returned."""
    task = asyncio.create_task(attempt(name, work) if once else supervise(name, work), name=name)

    async def end() -> None:
        await end_tasks([task])

    stack.push_async_callback(end)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"DATA_DIR {str(folder)!r} cannot be made ({error.strerror}); set another.") from error
