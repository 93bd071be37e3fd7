"""Every figure that a scenario may give, by the key under which samples and result files hold it."""

from __future__ import annotations

from typing import Final, Literal

from bench.measures import Figure


def _figure(key: str, name: str, unit: str, better: Literal["higher", "lower", "neither"] = "lower") -> Figure:
    return Figure(key=key, name=name, unit=unit, better=better)


TOKENS_PER_S: Final = _figure("tokens_per_s", "tokens/s", "1/s", "higher")
TURNS_PER_S: Final = _figure("turns_per_s", "requests/s", "1/s", "higher")
CPU_PER_TOKEN: Final = _figure("cpu_us_per_token", "server CPU per token", "us")
CPU_PER_TURN: Final = _figure("cpu_us_per_turn", "server CPU per turn", "us")
UTILISATION: Final = _figure("utilisation", "server core in use", "%", "neither")
CORE_TAKEN: Final = _figure("core_taken", "server core taken by others", "%", "neither")
TOKEN_P50: Final = _figure("token_p50_ms", "token latency p50", "ms")
TOKEN_P99: Final = _figure("token_p99_ms", "token latency p99", "ms")
PACE_KEPT: Final = _figure("pace_kept", "pace kept", "%", "neither")
ADDED_P50: Final = _figure("added_p50_ms", "added to first token p50", "ms")
ADDED_P99: Final = _figure("added_p99_ms", "added to first token p99", "ms")
TURN_P50: Final = _figure("turn_p50_ms", "request p50", "ms")
TURN_P99: Final = _figure("turn_p99_ms", "request p99", "ms")
STEP_P50: Final = _figure("step_p50_ms", "tool step p50, tool included", "ms")
STEP_NET_P50: Final = _figure("step_net_p50_ms", "tool step overhead p50", "ms")
STEP_NET_P99: Final = _figure("step_net_p99_ms", "tool step overhead p99", "ms")
REDIS_PER_TOKEN: Final = _figure("redis_us_per_token", "Redis CPU per token", "us")
REDIS_CALLS: Final = _figure("redis_calls_per_token", "Redis script calls per token", "")
REDIS_COMMANDS: Final = _figure("redis_commands_per_token", "Redis commands per token", "")
REDIS_SENT: Final = _figure("redis_sent_bytes_per_token", "bytes sent to Redis per token", "B")
REDIS_HELD: Final = _figure("redis_held_bytes_per_token", "Redis memory grown per token", "B")
IDLE_CPU: Final = _figure("idle_cpu", "server core in use, nobody connected", "%")
RSS_PER_CONNECTION: Final = _figure("rss_kb_per_connection", "RSS per idle connection", "kB")
RSS_OF_ALL: Final = _figure("rss_kb_per_connection_of_all", "the same, all of them", "kB")
ANSWERED: Final = _figure("answered", "idle connections that answer a ping", "%", "neither")
HELD: Final = _figure("held", "connections held, all of which answer", "", "neither")
CPU_FEW_IDLE: Final = _figure("cpu_us_few_idle", "server CPU per token, 10 idle beside", "us")
CPU_MANY_IDLE: Final = _figure("cpu_us_many_idle", "server CPU per token, all idle beside", "us")
CPU_OF_IDLE: Final = _figure("cpu_of_idle", "server core in use by the idle alone", "%")
GROWTH_IDLE: Final = _figure("growth_idle", "growth of CPU per token with idle ones", "x", "neither")
GROWTH: Final = _figure("growth", "CPU per token, 300 conversations over 10", "x", "neither")
AGAINST_KEPT: Final = _figure("against_kept", "CPU per token, times less than naive at pace", "x", "neither")
APPENDS_PER_S: Final = _figure("appends_per_s", "appends/s of a Redis core", "1/s", "higher")
APPENDS_WALL: Final = _figure("appends_per_s_wall", "appends/s by the clock", "1/s", "higher")
DELIVERED: Final = _figure("delivered_per_s", "events/s delivered, a core", "1/s", "higher")
DELIVERED_SINGLY: Final = _figure("delivered_singly_per_s", "the same, one event an append", "1/s", "higher")
TOKENS_DELIVERED: Final = _figure("tokens_delivered_per_s", "tokens/s of a turn delivered, a core", "1/s", "higher")
FIRST_READER_P50: Final = _figure("first_reader_p50_ms", "first reader's latency p50", "ms")
FIRST_READER_P99: Final = _figure("first_reader_p99_ms", "first reader's latency p99", "ms")
READY_S: Final = _figure("ready_s", "spawn to ready", "s")
FIRST_READY_S: Final = _figure("first_ready_s", "the same with an empty folder", "s")
CPU_10_TURNS: Final = _figure("cpu_us_10_turns", "server CPU per turn, conversations of 10", "us")
CPU_100_TURNS: Final = _figure("cpu_us_100_turns", "server CPU per turn, conversations of 100", "us")
CPU_300_TURNS: Final = _figure("cpu_us_300_turns", "server CPU per turn, conversations of 300", "us")
GROWTH_LENGTH: Final = _figure("growth_length", "CPU per turn at 300 turns over that at 10", "x", "neither")
GROWTH_WINDOW: Final = _figure("growth_window", "CPU per turn at 300 turns over that at 100", "x", "neither")
REDIS_10_TURNS: Final = _figure("redis_kb_10_turns", "Redis memory, a session of 10 turns", "kB")
REDIS_100_TURNS: Final = _figure("redis_kb_100_turns", "Redis memory, a session of 100 turns", "kB")
REDIS_300_TURNS: Final = _figure("redis_kb_300_turns", "Redis memory, a session of 300 turns", "kB")
SQL_ROWS: Final = _figure("sql_rows_per_turn", "SQL rows per turn", "")
SQL_BYTES: Final = _figure("sql_bytes_per_turn", "SQL bytes per turn", "B")
