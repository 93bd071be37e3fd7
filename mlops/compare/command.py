"""The options of `python -m mlops compare`, and what is done in which order.

Exit codes: 0 there is a report with something measured; 1 nothing could be measured (or no Prosa is there); 2 the
options, the questions or the results found cannot be used; 130 broken off by
Ctrl-C or SIGTERM, to be gone on with by --resume.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from mlops.compare.asking import Asker, open_http
from mlops.compare.environment import environment
from mlops.compare.order import schedule
from mlops.compare.own_prosa import ProsaNotReady, own_prosa, require_ready
from mlops.compare.progress import Progress
from mlops.compare.report import write_report
from mlops.compare.results import (
    RESULTS_NAME,
    Result,
    Results,
    ResultsError,
    ResultsWriter,
    Run,
    RunSettings,
    differences,
    read_results,
)
from mlops.compare.running import run
from mlops.questions import SALES_QUESTIONS, Question, QuestionsError, digest_of, read_questions

QUESTIONS_NAME: Final = "questions.jsonl"
REPEATS: Final = 1
SEED: Final = 1
CONCURRENCY: Final = 1
"""By default one question at a time: what one user gets while nobody else asks."""
TIMEOUT_S: Final = 120.0


class UsageError(Exception):
    """The options cannot be used; the message says what to do."""


class Task(NamedTuple):
    """A comparison to be made or gone on with."""

    folder: Path
    settings: RunSettings
    questions: tuple[Question, ...]
    before: Results | None


def main(arguments: list[str], *, server_settings: Mapping[str, str] | None = None) -> int:
    """Compare; gives the exit code. `server_settings` go to the server of the run's own."""
    given = _parser().parse_args(arguments)
    try:
        task = _task(given)
        api_key = given.api_key or os.environ.get("PROSA_API_KEY") or None
        if not given.report:
            asyncio.run(_measure(task, api_key, server_settings))
        return _finish(task)
    except (UsageError, QuestionsError, ResultsError) as error:
        return _fail(str(error), 2)
    except ProsaNotReady as error:
        return _fail(str(error), 1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return _fail(f"broken off; go on with: python -m mlops compare --resume --out {given.out}", 130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mlops compare",
        description="Ask several models the same questions through Prosa, and write a report into a folder.",
    )
    add = parser.add_argument
    add("--models", help="models, a comma list: openai:gpt-5-mini,local:smollm2")
    add("--out", type=Path, required=True, help="folder for results and report")
    add("--resume", action="store_true", help="go on with the results in --out; other options must be the same or left")
    add("--report", action="store_true", help="ask nothing: write the report of the results in --out, whole or not")
    add("--questions", type=Path, help="JSONL (mlops/questions.py says what is in it); default: the sales questions")
    add("--repeats", type=int, help=f"how often each question goes to each model; default {REPEATS}")
    add("--seed", type=int, help=f"of the order; default {SEED}")
    add("--concurrency", type=int, help=f"questions at a time; default {CONCURRENCY}")
    add("--timeout", type=float, help=f"seconds for an answer; default {TIMEOUT_S:g}")
    add("--agent", help="the agent that is asked; default: the server's")
    add("--url", help="a Prosa that runs; default: one is started for the run, with the settings of the environment")
    add("--api-key", help="its service key; default: PROSA_API_KEY of the environment, which no process list shows")
    return parser


def _task(given: argparse.Namespace) -> Task:
    folder: Path = given.out
    before = read_results(folder / RESULTS_NAME)
    if given.report and before is None:
        raise UsageError(f"{str(folder)!r} holds no results; --report needs some.")
    if before is not None and not (given.resume or given.report):
        raise UsageError(f"{str(folder)!r} holds results already; add --resume to go on, or give another --out.")
    if before is None and given.models is None:
        raise UsageError("Name the models: --models provider:model,provider:model.")
    path = given.questions or (SALES_QUESTIONS if before is None else folder / QUESTIONS_NAME)
    questions = read_questions(path)
    settings = _settings(given, digest_of(questions), None if before is None else before.settings)
    if before is not None and (changed := differences(before.settings, settings)):
        raise UsageError(f"{str(folder)!r} holds results of another comparison: {'; '.join(changed)}.")
    return Task(folder, settings, questions, before)


def _settings(given: argparse.Namespace, digest: str, before: RunSettings | None) -> RunSettings:
    chosen = {
        "models": None if given.models is None else _models(given.models),
        "repeats": given.repeats,
        "seed": given.seed,
        "concurrency": given.concurrency,
        "timeout_s": given.timeout,
        "agent": given.agent,
        "url": given.url,
    }
    default = before or RunSettings(
        models=(),
        questions_sha256=digest,
        repeats=REPEATS,
        seed=SEED,
        concurrency=CONCURRENCY,
        timeout_s=TIMEOUT_S,
        agent=None,
        url=None,
    )
    changes = {name: value for name, value in chosen.items() if value is not None}
    settings = msgspec.structs.replace(default, questions_sha256=digest, **changes)
    for name, least in (("repeats", 1), ("concurrency", 1), ("timeout_s", 0.001)):
        if getattr(settings, name) < least:
            raise UsageError(f"--{name.removesuffix('_s')}: at least {least}.")
    return settings


def _models(text: str) -> tuple[str, ...]:
    models = tuple(part.strip() for part in text.split(",") if part.strip())
    if not models or len(set(models)) < len(models):
        raise UsageError(f"--models {text!r}: name each model once, a comma list.")
    return models


async def _measure(task: Task, api_key: str | None, server_settings: Mapping[str, str] | None) -> None:
    """Ask what is left to be asked."""
    done = {result.ask for result in task.before.results} if task.before is not None else set()
    settings = task.settings
    asks = schedule(settings.models, [each.id for each in task.questions], repeats=settings.repeats, seed=settings.seed)
    left = [ask for ask in asks if ask not in done]
    if not left:
        return
    _cancel_on_terminate()
    async with _prosa(settings.url, server_settings) as url, open_http(api_key) as http:
        with _writer(task) as writer:
            await writer.add(Run(at_ms=_now_ms(), settings=settings, environment=environment()))
            users = f"compare-{secrets.token_hex(6)}"
            asker = Asker(http, url, timeout_s=settings.timeout_s, users=users, agent=settings.agent)
            progress = Progress(sys.stderr, total=len(asks), already=len(asks) - len(left))
            questions = {each.id: each for each in task.questions}
            try:
                await run(left, questions, asker, writer, concurrency=settings.concurrency, on_result=progress.add)
            finally:
                progress.end()


def _cancel_on_terminate() -> None:
    """Let SIGTERM break the run off as Ctrl-C does, which asyncio sees to."""
    task = asyncio.current_task()
    if task is not None and threading.current_thread() is threading.main_thread():
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)


@asynccontextmanager
async def _prosa(url: str | None, server_settings: Mapping[str, str] | None) -> AsyncIterator[str]:
    if url is None:
        async with own_prosa(server_settings) as own:
            yield own
    else:
        await require_ready(url)
        yield url


def _writer(task: Task) -> ResultsWriter:
    task.folder.mkdir(parents=True, exist_ok=True)
    lines = b"".join(msgspec.json.encode(each) + b"\n" for each in task.questions)
    (task.folder / QUESTIONS_NAME).write_bytes(lines)
    whole = 0 if task.before is None else task.before.whole_bytes
    return ResultsWriter(task.folder / RESULTS_NAME, whole_bytes=whole)


def _finish(task: Task) -> int:
    """Write the report of all that is there."""
    results = read_results(task.folder / RESULTS_NAME)
    if results is None:
        return _fail("nothing was asked", 1)
    for warning in write_report(results, task.questions, task.folder):
        sys.stderr.write(f"compare: {warning}\n")
    sys.stdout.write(f"{task.folder / 'report.md'}\n")
    if all(result.failure is not None for result in results.results):
        return _fail(f"nothing could be measured; the failures: {_failures(results.results)}", 1)
    return 0


def _failures(results: tuple[Result, ...]) -> str:
    labels = {f"{result.failure.label}: {result.failure.message}" for result in results if result.failure is not None}
    return "; ".join(sorted(labels)[:5])


def _fail(message: str, code: int) -> int:
    sys.stderr.write(f"compare: {message}\n")
    return code


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
