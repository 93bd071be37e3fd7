"""Peers: what is pinned, how an environment is made, and that one which is missing leaves the rest measured."""

from __future__ import annotations

import re
import sys
from contextlib import ExitStack
from pathlib import Path

import msgspec
import pytest

from bench.catalogue import TOKENS_PER_S
from bench.clients.socketio import SocketIoConversation
from bench.load import Load, make_conversation
from bench.loading import LoadRun
from bench.measures import OTHERS, Scenario
from bench.peers.__main__ import PEERS, make_environments, read_options
from bench.peers.environments import Unavailable, is_ready, make, requirements_of, version_of
from bench.peers.peer import Peer
from bench.peers.run import START, PeersRun
from bench.peers.scenarios import plan
from bench.processes import Cores, Process, choose_cores, free_port
from bench.systems import NAIVE, System


def start_naive_as_chainlit(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    naive = NAIVE.start(stack, upstream, cores, folder)
    return System(name="chainlit", title="stand-in", dialect="naive", port=naive.port, process=naive.process)


def start_what_fails(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
    command = [sys.executable, "-c", "raise SystemExit('no such library')"]
    stack.enter_context(Process(command, cores=cores.server, log=folder / "log")).wait_for_port(free_port())
    raise AssertionError("unreachable")


STAND_IN = Peer(name="chainlit", package="pip", title="stand-in", dialect="naive", start=start_naive_as_chainlit)
SMALL = Scenario(
    name="small",
    title="a small run",
    how="",
    figures=(TOKENS_PER_S,),
    runs=dict.fromkeys(("direct", OTHERS), LoadRun(Load(conversations=2, tokens=30))),
)
BROKEN = Peer(name="litellm", package="pip", title="broken", dialect="naive", start=start_what_fails)


def test_a_peer_that_does_not_start_is_told_and_the_rest_is_measured(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    with ExitStack() as stack:
        run = PeersRun(stack, choose_cores(), tmp_path, [BROKEN.starter, STAND_IN.starter])
        run.start()
        run.measure(SMALL, repeats=1)

    assert [(problem.scenario, problem.system) for problem in run.problems] == [(START, "litellm")]
    assert "no such library" in run.problems[0].what
    assert "litellm: start failed" in capsys.readouterr().out
    assert {row.system for row in run.rows} == {"direct", "chainlit"}


def test_a_peer_that_dies_drops_out_of_the_scenario_and_the_rest_is_measured(tmp_path: Path):
    with ExitStack() as stack:
        run = PeersRun(stack, choose_cores(), tmp_path, [STAND_IN.starter])
        run.start()
        system = run.systems["chainlit"]
        assert system.process is not None
        system.process.__exit__(None, None, None)
        run.measure(SMALL, repeats=1)

    assert {(problem.scenario, problem.system) for problem in run.problems} == {("small", "chainlit")}
    assert {row.system for row in run.rows} == {"direct"}


def test_a_start_that_fails_once_is_tried_again(tmp_path: Path):
    starts: list[int] = []

    def start(stack: ExitStack, upstream: int, cores: Cores, folder: Path) -> System:
        starts.append(upstream)
        if len(starts) == 1:
            raise RuntimeError("address already in use")
        return start_naive_as_chainlit(stack, upstream, cores, folder)

    with ExitStack() as stack:
        run = PeersRun(stack, choose_cores(), tmp_path, [msgspec.structs.replace(STAND_IN, start=start).starter])
        run.start()

    assert (len(starts), run.problems, sorted(run.systems)) == (2, [], ["chainlit", "direct"])


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_all_that_a_peer_needs_is_pinned_and_comes_from_no_named_place(peer: Peer):
    lines = requirements_of(peer.name).read_text().splitlines()
    pins = [line for line in lines if not line.startswith("#")]

    assert all(re.match(r"[A-Za-z0-9._-]+(\[[a-z,]+\])?==\S+", pin) for pin in pins)
    assert not any("://" in line for line in lines)
    assert any(pin.startswith((f"{peer.package}==", f"{peer.package}[")) for pin in pins)


def test_every_peer_is_in_every_scenario_and_only_those_with_sockets_hold_idle_ones():
    taking_part = {
        scenario.name: [peer.name for peer in PEERS if scenario.run_of(peer.name) is not None] for scenario in plan()
    }

    every = [peer.name for peer in PEERS]
    assert taking_part == {
        "throughput-300": every,
        "paced-40": every,
        "first-token-20": every,
        "idle": ["chainlit", "python-socketio"],
    }


def test_every_system_of_the_unthrottled_load_is_sent_the_same_answers():
    (unthrottled,) = (scenario for scenario in plan() if scenario.name == "throughput-300")

    runs = [unthrottled.run_of(system) for system in ("direct", "naive", "prosa", *(peer.name for peer in PEERS))]

    assert runs[0] is not None
    assert runs == [runs[0]] * len(runs)


def test_a_dialect_from_outside_is_found_by_its_name():
    load = Load(name="a", dialect="bench.peers.chainlit:conversation", port=1, conversations=1, tokens=1)

    assert isinstance(make_conversation(load, 0), SocketIoConversation)


@pytest.fixture
def pins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two peers: one that needs nothing, one that needs what no index has."""
    monkeypatch.setenv("PATH", str(tmp_path / "no-uv"))
    folder = tmp_path / "pins"
    folder.mkdir()
    (folder / "chainlit.txt").write_text("# nothing\n")
    (folder / "litellm.txt").write_text("--no-index\nprosa-has-no-such-package==1.0\n")
    return folder


def test_an_environment_is_made_once_and_anew_when_its_pins_change(
    tmp_path: Path, pins: Path, capsys: pytest.CaptureFixture[str]
):
    make(STAND_IN, folder=tmp_path, pins=pins)
    assert is_ready(STAND_IN, folder=tmp_path, pins=pins)
    assert "by pip" in capsys.readouterr().out
    assert re.fullmatch(r"[\d.]+", version_of(STAND_IN, folder=tmp_path))

    make(STAND_IN, folder=tmp_path, pins=pins)
    assert capsys.readouterr().out == ""

    (pins / "chainlit.txt").write_text("# nothing else\n")
    assert not is_ready(STAND_IN, folder=tmp_path, pins=pins)


def test_a_package_that_cannot_be_had_says_so(tmp_path: Path, pins: Path):
    with pytest.raises(Unavailable, match="prosa-has-no-such-package"):
        make(BROKEN, folder=tmp_path, pins=pins)

    assert not is_ready(BROKEN, folder=tmp_path, pins=pins)


def test_a_disk_without_room_says_so_before_anything_is_fetched(tmp_path: Path, pins: Path):
    large = Peer(name="chainlit", package="pip", title="", dialect="naive", start=start_naive_as_chainlit, disk_gb=1e9)

    with pytest.raises(Unavailable, match="GB of disk"):
        make(large, folder=tmp_path, pins=pins)

    assert not (tmp_path / "chainlit").exists()


def test_a_missing_environment_is_a_problem_of_its_peer_alone(tmp_path: Path, pins: Path):
    versions, problems = make_environments([BROKEN, STAND_IN], folder=tmp_path, pins=pins)

    assert [peer.name for peer in versions] == ["chainlit"]
    assert [(problem.scenario, problem.system) for problem in problems] == [(START, "litellm")]


def test_the_command_line_chooses_peers_and_refuses_unknown_ones():
    options = read_options(["--peers", "litellm", "chainlit", "--scenarios", "idle"])

    assert [peer.name for peer in options.peers] == ["chainlit", "litellm"]
    assert (options.scenarios, options.repeats) == (frozenset({"idle"}), 3)
    with pytest.raises(SystemExit):
        read_options(["--peers", "nobody"])


@pytest.mark.system
@pytest.mark.slow
@pytest.mark.timeout(300)  # Open WebUI takes 20 s of CPU before it listens
@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
def test_a_peer_whose_environment_is_here_answers_whole(peer: Peer, tmp_path: Path):
    if not is_ready(peer):
        pytest.skip(f"no environment of {peer.name}: make bench-peers makes it")
    with ExitStack() as stack:
        run = PeersRun(stack, choose_cores(), tmp_path, [peer.starter])
        run.start()
        run.measure(SMALL, repeats=1)

    assert run.problems == []
    assert {row.system for row in run.rows} == {"direct", peer.name}
