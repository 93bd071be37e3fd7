"""What one run writes, in order: deltas gather while an append is under way, and there is one append at a time.

The first delta of a step goes out at once; later ones wait for a tick that all runs of the process share, the longer
the slower the log is. Other events and journal entries do not wait, but for those that something follows at once. A
feed has no task of its own: it goes on when an append is done, and when the event loop comes round.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
from collections.abc import Callable
from types import TracebackType
from typing import Final, Literal, Self

from loguru import logger

from agent.ticker import Ticker
from core.clock import Clock
from core.errors import BackendError
from core.events import Event, MessageCompleted, MessageDelta, MessageReset, MessageStarted
from core.ids import Ids
from core.models import FinishReason
from core.ports import TurnWriter
from core.turns import JournalEntry, TakenTurn

BLANK_LINE: Final = "\n\n"
"""Between the text of one step and that of the next (protocol.md, Words: turn)."""
_CONFIRMED_S: Final = 1.0
"""How long after an append a run may take its turn for its own; leases live 3 s."""
_CLOSE_S: Final = 2.0
"""How long leaving waits for an append that is under way."""


def tick_s(round_trip_s: float) -> float:
    """How long deltas gather: twice as long as the last append took, from 10 to 50 ms.

    So that the log's own speed, not the number of tokens, sets the rate of appends. In proportion and not in steps: the
    appends of all runs go out together, and a step to larger batches made them slower, which kept them large.
    """
    return min(max(0.010, 2 * round_trip_s), 0.050)


class Feed:
    """The run's only way to the log. All methods but `flush`, `finish` and leaving return at once.

    `on_cancel(by)` is called when an append says that the turn was cancelled, `on_failure()` when an append
    failed: `failure` holds why, and nothing more is written.
    """

    def __init__(
        self,
        *,
        turn: TakenTurn,
        writer: TurnWriter,
        clock: Clock,
        ids: Ids,
        ticker: Ticker,
        on_cancel: Callable[[str], None],
        on_failure: Callable[[], None],
    ) -> None:
        self.message_id: str | None = None
        self.first_delta_ms: int | None = None
        """When the message's first text was given, in Unix milliseconds."""
        self.failure: Exception | None = None
        self._turn, self._writer, self._clock, self._ids, self._ticker = turn, writer, clock, ids, ticker
        self._session_id = turn.session.session_id
        self._on_cancel, self._on_failure = on_cancel, on_failure
        self._loop = asyncio.get_running_loop()
        self._texts: list[str] = []  # the message so far, without what gathers
        self._length = 0  # its code points
        self._gathered: list[str] = []  # text that is not an event yet
        self._blank_due = False
        self._is_first = True  # nothing of this step was said
        self._events: list[Event] = []
        self._journal: list[JournalEntry] = []
        self._idle = asyncio.Event()
        self._idle.set()
        self._soon: asyncio.Handle | None = None  # what gathers is sent when the event loop comes round
        self._on_tick = False  # the next tick sends it
        self._next_tick_s = 0.0
        self._appending: asyncio.Future[str | None] | None = None  # the append that is under way
        self._journalling = False  # it holds journal entries
        self._began_s = self._began_loop_s = 0.0  # when it began
        self._confirmed_s = self._loop.time()
        self._asks = False  # an append is wanted though there is nothing to append
        self._finishing = False
        self._context = contextvars.copy_context()  # the run's, for what the loop calls: ticks are any run's

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop(_CLOSE_S)

    # ------------------------------------------------------------ the message

    @property
    def text(self) -> str:
        """The message so far, with what still gathers."""
        self._close_delta()
        if len(self._texts) > 1:
            self._texts = ["".join(self._texts)]
        return self._texts[0] if self._texts else ""

    @property
    def length(self) -> int:
        """The code points of the message so far, with what still gathers."""
        self._close_delta()
        return self._length

    def begin_step(self) -> None:
        """What is said from now on belongs to a new step: a blank line goes before it where there is text already."""
        self._blank_due = self.length > 0
        self._is_first = True

    def say(self, text: str) -> None:
        """Append text to the message; the first text begins the message."""
        if self._blank_due:
            self._blank_due = False
            text = BLANK_LINE + text
        if self.message_id is None:
            self._begin_message()
        if self.first_delta_ms is None:
            self.first_delta_ms = self._clock.now_ms()
        self._gathered.append(text)
        if self._is_first:
            self._is_first = False
            self._send_now()
        elif not (self._on_tick or self._appending):
            self._send_at(self._next_tick_s)

    def resume_message(self, message_id: str, text: str, started_ms: int) -> None:
        """An earlier run of the turn has shown this."""
        self.message_id, self.first_delta_ms = message_id, started_ms
        self._texts, self._length = [text], len(text)

    def reset(self, to: int, reason: Literal["failover", "recovery"]) -> None:
        """Cut the message back to `to` code points."""
        kept = self.text[:to]
        if self.message_id is None or len(kept) == self._length:
            return
        self._texts, self._length = [kept], len(kept)
        self.put(
            MessageReset(
                session_id=self._session_id, ts=self._clock.now_ms(), message_id=self.message_id, to=to, reason=reason
            )
        )

    def completed(self, finish_reason: FinishReason) -> MessageCompleted | None:
        """The event that closes the message; None where nothing was said. It is not put."""
        if self.message_id is None:
            return None
        return MessageCompleted(
            session_id=self._session_id,
            ts=self._clock.now_ms(),
            message_id=self.message_id,
            length=self.length,
            sha256=hashlib.sha256(self.text.encode()).hexdigest(),
            finish_reason=finish_reason,
        )

    # ------------------------------------------------------------ events and journal

    def put(self, *events: Event, journal: JournalEntry | None = None) -> None:
        """Append events after all text said before, and a journal entry together with them."""
        self._close_delta()
        self._events.extend(events)
        if journal is not None:
            self._journal.append(journal)
        self._send_now()

    def put_soon(self, event: Event) -> None:
        """Append an event with what follows it at once, such as the first text; on the next tick where nothing does."""
        self._close_delta()
        self._events.append(event)
        if not (self._on_tick or self._appending):
            self._send_at(self._next_tick_s)

    def put_last(self, journal: JournalEntry) -> None:
        """Journal an entry with the turn's end, which is to follow at once; on the next tick where it does not.

        So does what was about to go out, where all of an answer came at once.
        """
        self._journal.append(journal)
        if self._appending is None:
            self._leave_soon()
            if not self._on_tick:
                self._send_at(self._next_tick_s)

    async def flush(self) -> None:
        """Return when all that was given is in the log. Raises what an append raised."""
        self._close_delta()
        if self.failure is None and (self._events or self._journal or self._appending):
            self._send_now()
            await self._idle.wait()
        if self.failure is not None:
            raise self.failure

    async def secure(self) -> None:
        """Before something is paid for: return when all that was journalled is in the log and the turn is still ours.

        The latter is asked only where no append has said so for a second: a process that was paused, or cut off from
        Redis, finds out here that another run goes on. Raises what an append raised.
        """
        if self._loop.time() - self._confirmed_s > _CONFIRMED_S:
            self._asks = True
        if self.failure is None and (self._asks or self._journal or self._journalling):
            self._send_now()
            await self._idle.wait()
        if self.failure is not None:
            raise self.failure

    async def finish(self) -> tuple[list[Event], list[JournalEntry]]:
        """Stop; gives what is left, for `TurnWriter.end`. Raises what an append raised."""
        await self._stop(None)
        if self.failure is not None:
            raise self.failure
        self._close_delta()
        left = self._events, self._journal
        self._events, self._journal = [], []
        return left

    # ------------------------------------------------------------ below

    def _begin_message(self) -> None:
        self.message_id = self._ids.new("msg")
        self._events.append(
            MessageStarted(
                session_id=self._session_id,
                ts=self._clock.now_ms(),
                turn_id=self._turn.input.turn_id,
                message_id=self.message_id,
                role="assistant",
                channel=self._turn.input.channel,
            )
        )

    def _close_delta(self) -> None:
        """Make one event of the text that gathered."""
        if not self._gathered:
            return
        assert self.message_id is not None  # text opens the message
        text = "".join(self._gathered)
        self._gathered.clear()
        self._events.append(
            MessageDelta(session_id=self._session_id, message_id=self.message_id, off=self._length, text=text)
        )
        self._texts.append(text)
        self._length += len(text)

    def _send_now(self) -> None:
        """Append when the loop comes round: what is given until then goes with it."""
        self._idle.clear()
        self._on_tick = False
        if self._soon is None:
            self._soon = self._loop.call_soon(self._begin, context=self._context)

    def _leave_soon(self) -> None:
        if self._soon is not None:
            self._soon.cancel()
            self._soon = None

    def _send_at(self, when_s: float) -> None:
        self._on_tick = True
        self._ticker.at(max(when_s, self._loop.time()), self._tick)

    def _tick(self) -> None:
        """Append now, not when the loop comes round: what all runs append on a tick goes out together."""
        if self._on_tick:  # else it went out meanwhile, with something that did not wait
            self._on_tick = False
            self._idle.clear()
            self._begin()

    def _begin(self) -> None:
        """Begin to append what there is, unless an append is under way, after which that is done."""
        self._leave_soon()
        if self._appending is not None or self._finishing or self.failure is not None:
            return
        self._close_delta()
        if not (self._events or self._journal or self._asks):
            self._idle.set()
            return
        events, journal = self._events, self._journal
        self._events, self._journal, self._asks = [], [], False
        self._journalling = bool(journal)
        self._began_s, self._began_loop_s = self._clock.monotonic_s(), self._loop.time()
        self._appending = asyncio.ensure_future(self._writer.append(events, journal))
        self._appending.add_done_callback(self._appended, context=self._context)

    def _appended(self, appending: asyncio.Future[str | None]) -> None:
        """An append is done: begin the next one, or wait for more."""
        self._appending, self._journalling = None, False
        if appending.cancelled():  # given up when the run was left
            return
        if (error := appending.exception()) is not None:
            self._fail(error)
            return
        self._confirmed_s = self._began_loop_s
        self._next_tick_s = self._began_loop_s + tick_s(self._clock.monotonic_s() - self._began_s)
        if (cancelled_by := appending.result()) is not None:
            self._on_cancel(cancelled_by)
        if self._finishing:
            return
        if self._events or self._journal or self._asks:  # they do not wait
            self._begin()
            return
        self._idle.set()
        if self._gathered:
            self._send_at(self._next_tick_s)

    def _fail(self, error: BaseException) -> None:
        if not isinstance(error, BackendError):
            logger.opt(exception=error).error("feed.append_failed")
        self.failure = error if isinstance(error, Exception) else BackendError(str(error))
        self._idle.set()
        self._on_failure()

    async def _stop(self, timeout_s: float | None) -> None:
        """Begin nothing more. An append under way is waited for (None: as long as it takes): two never overlap."""
        self._finishing = True
        self._on_tick = False
        self._leave_soon()
        appending = self._appending
        if appending is None:
            return
        try:
            _, late = await asyncio.wait([appending], timeout=timeout_s)
            if late:
                logger.warning("feed.close_timeout")
        finally:
            appending.cancel()
