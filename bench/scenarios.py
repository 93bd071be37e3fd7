"""What is measured: every scenario with its sizes, in a quick and in a full profile."""

from __future__ import annotations

import msgspec

from bench import catalogue as figures
from bench.load import Load
from bench.loading import LoadRun, server_share
from bench.measures import OTHERS, Place, Run, Sample, Scenario
from bench.probes.appends import AppendRun
from bench.probes.chat import ScriptedChatRun
from bench.probes.fanout import FanOutRun
from bench.probes.idle import IdleRun
from bench.probes.length import LengthRun
from bench.probes.start import start_naive_run, start_prosa_run

_PACED = (
    figures.CPU_PER_TOKEN,
    figures.TOKEN_P50,
    figures.TOKEN_P99,
    figures.PACE_KEPT,
    figures.UTILISATION,
    figures.CORE_TAKEN,
    figures.REDIS_PER_TOKEN,
    figures.REDIS_CALLS,
    figures.REDIS_COMMANDS,
    figures.REDIS_SENT,
    figures.REDIS_HELD,
)
_ADDED = (figures.ADDED_P50, figures.ADDED_P99, figures.UTILISATION, figures.CORE_TAKEN, figures.CPU_PER_TURN)


def plan(full: bool) -> tuple[Scenario, ...]:
    """Give the scenarios of the quick profile (a few minutes) or of the full one."""
    return (
        _throughput(500),
        _throughput(300, "throughput-300"),
        *(_paced(count, full) for count in (10, 40, 100, 300)),
        *_first_token(full),
        _tool_step(full),
        _rest(full),
        _idle(full),
        _appends(full),
        *(_fan_out(readers, full) for readers in (1, 100, 1000)),
        *_chat(full),
        _start(full),
        _length(full),
    )


def _throughput(tokens: int, name: str = "throughput") -> Scenario:
    """All give the same answers, but for the loop that awaits Redis a token: it would take minutes."""

    def size(length: int) -> Run:
        return LoadRun(Load(conversations=100, ttft_ms=5, tokens=length))

    same = size(tokens)
    return Scenario(
        name=name,
        title=f"tokens a second of one core, upstream unthrottled, 100 conversations, answers of {tokens} tokens",
        how="From the first question to the end of the last of 100 answers that begin at once. The longer an answer, "
        "the less what a turn costs counts.",
        figures=(
            figures.TOKENS_PER_S,
            figures.CPU_PER_TOKEN,
            figures.CORE_TAKEN,
            figures.REDIS_PER_TOKEN,
            figures.REDIS_CALLS,
            figures.REDIS_COMMANDS,
            figures.REDIS_SENT,
            figures.REDIS_HELD,
        ),
        runs={"direct": same, "naive": same, "naive-redis": size(min(tokens, 100)), "prosa": same, OTHERS: same},
    )


def _paced(count: int, full: bool) -> Scenario:
    steady = Load(
        conversations=count,
        rate=50,
        tokens=500 if full else 150,
        ttft_ms=50,
        pause_ms=1000 if full else 300,
        stagger_s=5.0 if full else 1.6,
        window_s=11.0 if full else 3.3,
    )
    return Scenario(
        name=f"paced-{count}",
        title=f"CPU per token at 50 tokens a second, {count} conversations",
        how=f"Answers of {steady.tokens} tokens, a think time of {steady.pause_ms} ms in the mean between them, starts "
        f"spread over {steady.stagger_s:g} s; CPU and latency of the {steady.window_s:g} s after. Latency is from "
        "the upstream's write of a token to its arrival. Pace kept: tokens that arrived, of those that would have at "
        "that pace (give or take the pauses' chance); where it is well under 100 % the server cannot keep up.",
        figures=_PACED,
        runs=dict.fromkeys(("naive", "prosa", OTHERS, *(["direct"] if count == 300 else [])), LoadRun(steady)),
        warm_up=False,
        most_repeats=3 if full and count in (10, 300) else 2 if count == 300 else 1,
    )


def _first_token(full: bool) -> tuple[Scenario, ...]:
    short = Load(conversations=20, rate=100, tokens=8, ttft_ms=20, window_s=8.0 if full else 3.0)
    sizes = {
        "first-token-20": (20, 500, "20 conversations that think between questions"),
        "first-token-100": (100, 1000, "100 conversations that think between questions"),
        "first-token-loaded": (20, 20, "20 conversations that ask again at once"),
    }
    return tuple(
        Scenario(
            name=name,
            title=f"time to first token added, {title}",
            how=f"Answers of 8 tokens at 100 a second, a pause of {pause_ms} ms in the mean, starts spread over as "
            "long as the longest; what follows counts. Added: the time to the first token less the upstream's own "
            "part, which it stamps.",
            figures=_ADDED,
            runs=dict.fromkeys(
                ("direct", "naive", "naive-redis", "prosa", OTHERS),
                LoadRun(
                    msgspec.structs.replace(
                        short, conversations=count, pause_ms=pause_ms, stagger_s=max(0.6, pause_ms / 500)
                    )
                ),
            ),
            warm_up=False,
            most_repeats=2 if full else 1,
        )
        for name, (count, pause_ms, title) in sizes.items()
    )


def _tool_step(full: bool) -> Scenario:
    asking = Load(
        conversations=20,
        rate=100,
        tokens=4,
        ttft_ms=5,
        pause_ms=500,
        stagger_s=1.0,
        window_s=8.0 if full else 3.0,
        tool=True,
    )
    return Scenario(
        name="tool-step",
        title="a tool step: from the model's call to the next request, 20 conversations that think",
        how="The upstream calls the demo's `sales_query`; from its last byte to its next request, read whole. "
        "Overhead: less the tool's own time as the event `tool.completed` says it (whole milliseconds).",
        figures=(figures.STEP_NET_P50, figures.STEP_NET_P99, figures.STEP_P50, figures.UTILISATION),
        runs={"prosa": LoadRun(asking)},
        warm_up=False,
    )


def _rest(full: bool) -> Scenario:
    seconds = 5.0 if full else 2.0

    def run(place: Place, system: str, name: str) -> Sample:
        process = place.system(system).process
        assert process is not None
        return Sample(values={"idle_cpu": server_share(process, seconds)})

    return Scenario(
        name="rest",
        title="a server that nobody is connected to",
        how=f"CPU of the process in {seconds:.0f} s without a connection; no other figure has it subtracted.",
        figures=(figures.IDLE_CPU,),
        runs=dict.fromkeys(("naive", "prosa"), run),
        warm_up=False,
        most_repeats=2 if full else 1,
    )


def _idle(full: bool) -> Scenario:
    some, most = (5000, 10_000) if full else (500, 1000)
    run = IdleRun(some=some, most=most, window_s=8.0 if full else 2.0)
    return Scenario(
        name="idle",
        title=f"idle connections, each with an open session: {some:,} and {most:,}",
        how=f"Growth of the process's RSS by the first {some:,}, settled; all {most:,} answer a ping afterwards. "
        "Beside 10 and beside all of them 40 conversations at 50 tokens/s. Naive: a bare Starlette WebSocket that "
        "stays open.",
        figures=(
            figures.RSS_PER_CONNECTION,
            figures.RSS_OF_ALL,
            figures.ANSWERED,
            figures.HELD,
            figures.CPU_FEW_IDLE,
            figures.CPU_MANY_IDLE,
            figures.GROWTH_IDLE,
            figures.CPU_OF_IDLE,
        ),
        runs={"naive": run, "prosa": run},
        warm_up=False,
        most_repeats=2 if full else 1,
    )


def _appends(full: bool) -> Scenario:
    return Scenario(
        name="redis",
        title="appends a second of one Redis core, append-only file on, a reader subscribed to every session",
        how="The product's own append script, 300 sessions in turn, 900 appends under way, one event each, 64 a call "
        "as the product gathers them; per CPU second of the Valkey process, and by the clock.",
        figures=(figures.APPENDS_PER_S, figures.APPENDS_WALL),
        runs={"prosa": AppendRun(rounds=600 if full else 150)},
        warm_up=False,
    )


def _fan_out(readers: int, full: bool) -> Scenario:
    rounds = (40_000 if full else 10_000) // readers if readers > 1 else 0
    title = f"{readers:,} readers" if readers > 1 else "one reader"
    return Scenario(
        name=f"fan-out-{readers}",
        title=f"one session, {title} over two nodes",
        how="Events: 170 bytes each, appended by the product's script, 100 an append, each append as soon as every "
        "reader has the one before; what arrived per CPU second of both nodes. Tokens: one unthrottled answer of a "
        "real turn, tokens times readers. First reader: single events at 20 a second, from append to arrival. Every "
        "reader's log is checked event by event.",
        figures=(
            figures.DELIVERED,
            figures.DELIVERED_SINGLY,
            figures.TOKENS_DELIVERED,
            figures.FIRST_READER_P50,
            figures.FIRST_READER_P99,
        ),
        runs={"prosa": FanOutRun(readers=readers, rounds=rounds, tokens=6000, paced_events=100 if full else 40)},
        warm_up=False,
        most_repeats=2 if full else 1,
    )


def _chat(full: bool) -> tuple[Scenario, Scenario]:
    load = Load(dialect="chat", conversations=20, tokens=8, duration_s=4.0 if full else 1.5)
    shown = (figures.TURNS_PER_S, figures.TURN_P50, figures.TURN_P99, figures.CPU_PER_TURN)
    how = "20 connections that ask again at once, answers of 8 tokens."
    naive = LoadRun(load)
    return (
        Scenario(
            name="chat",
            title="POST /chat, Prosa with its scripted provider",
            how=f"{how} Prosa's model is the scripted one in its own process, the naive loop asks the upstream.",
            figures=shown,
            runs={"naive": naive, "prosa": ScriptedChatRun(load)},
            warm_up=False,
        ),
        Scenario(
            name="chat-upstream",
            title="POST /chat, both ask the upstream",
            how=how,
            figures=shown,
            runs={"naive": naive, "prosa": naive, OTHERS: naive},
            warm_up=False,
            most_repeats=2 if full else 1,
        ),
    )


def _start(full: bool) -> Scenario:
    return Scenario(
        name="start",
        title="start of a node with an external Redis",
        how="From the spawn of the process to the first 200 of `/ready` (naive: `/health`), asked every 5 ms; the data "
        "folder has been used once before.",
        figures=(figures.READY_S, figures.FIRST_READY_S),
        runs={"naive": start_naive_run, "prosa": start_prosa_run},
        warm_up=False,
        most_repeats=3 if full else 1,
    )


def _length(full: bool) -> Scenario:
    turns = 300
    return Scenario(
        name="length",
        title="conversations of 10, 100 and 300 turns",
        how="One conversation after the other, 300 turns each way (30 of 10, 3 of 100, 1 of 300), answers of 20 "
        "tokens; Redis memory is what the sessions' keys hold, SQL what SQLite grew by.",
        figures=(
            figures.CPU_10_TURNS,
            figures.CPU_100_TURNS,
            figures.CPU_300_TURNS,
            figures.GROWTH_LENGTH,
            figures.GROWTH_WINDOW,
            figures.REDIS_10_TURNS,
            figures.REDIS_100_TURNS,
            figures.REDIS_300_TURNS,
            figures.SQL_ROWS,
            figures.SQL_BYTES,
        ),
        runs={"prosa": LengthRun(turns=turns)},
        warm_up=False,
        most_repeats=2 if full else 1,
    )
