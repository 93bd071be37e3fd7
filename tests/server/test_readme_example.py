"""The README's Python runs as it stands there, but for the port."""

from __future__ import annotations

import asyncio
import re
import sys
from pathlib import Path

import pytest

from agent.providers.scripted import Say
from tests.server.conftest import RunningNode

pytestmark = pytest.mark.asyncio(loop_scope="session")
README = Path(__file__).parents[2] / "README.md"


async def test_the_python_of_the_readme_prints_the_answer(development_node: RunningNode) -> None:
    blocks = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    development_node.provider.plan("Quais foram as vendas do mês passado?", [Say("US$ "), Say("938.943")])
    program = blocks[0].replace("127.0.0.1:8000", f"127.0.0.1:{development_node.port}")
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", program, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    output, errors = await process.communicate()
    assert (process.returncode, errors.decode()) == (0, "")
    assert len(blocks) == 1
    assert output.decode() == "US$ 938.943"
