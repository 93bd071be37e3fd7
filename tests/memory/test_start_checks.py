"""What is refused at start, in one line that says what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.errors import SettingsError
from memory.backends import open_memory
from memory.connection import check_server
from tests.servers import valkey_server


async def start(redis_url: str, tmp_path: Path) -> str:
    with pytest.raises(SettingsError) as error:
        async with open_memory(redis_url=redis_url, data_dir=tmp_path, node="n"):
            pytest.fail("it started")
    assert "\n" not in error.value.message
    return error.value.message


async def test_a_redis_that_cannot_be_reached(tmp_path: Path) -> None:
    assert "cannot be reached" in await start(f"unix://{tmp_path}/nobody.sock", tmp_path)


async def test_a_url_of_another_kind(tmp_path: Path) -> None:
    assert "not usable" in await start("http://localhost", tmp_path)


async def test_an_empty_url(tmp_path: Path) -> None:
    assert "not usable" in await start("", tmp_path)


async def test_a_wrong_password_is_said_and_not_shown(tmp_path: Path) -> None:
    with valkey_server("--requirepass", "right") as server:
        message = await start(server.url.replace("unix://", "unix://:wrong@"), tmp_path)

    assert "password" in message
    assert "wrong" not in message


async def test_a_redis_that_evicts(tmp_path: Path) -> None:
    with valkey_server("--maxmemory-policy", "allkeys-lru") as server:
        message = await start(server.url, tmp_path)

    assert "'allkeys-lru'" in message
    assert "'noeviction'" in message


async def test_a_redis_cluster(tmp_path: Path) -> None:
    with valkey_server("--cluster-enabled", "yes") as server:
        assert "Cluster" in await start(server.url, tmp_path)


@pytest.mark.parametrize("version", [b"6.2.14", b"5.0.0"])
def test_a_redis_that_is_too_old(version: bytes) -> None:
    with pytest.raises(SettingsError, match=r"7\.0 or newer"):
        check_server({b"redis_version": version}, {b"maxmemory_policy": b"noeviction"}, {})


@pytest.mark.parametrize("version", [b"7.0.15", b"7.2.4", b"8.0.0", b"10.1.2"])
def test_a_redis_that_is_new_enough(version: bytes) -> None:
    check_server({b"redis_version": version}, {b"maxmemory_policy": b"noeviction"}, {b"cluster_enabled": b"0"})


async def test_a_node_with_another_number_of_partitions(tmp_path: Path) -> None:
    with valkey_server() as server:
        async with open_memory(redis_url=server.url, data_dir=tmp_path, node="one", partitions=1):
            with pytest.raises(SettingsError, match="PARTITIONS is 2, but this Redis was written with 1"):
                async with open_memory(redis_url=server.url, data_dir=tmp_path, node="two", partitions=2):
                    pytest.fail("it started")
