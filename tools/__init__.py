"""What models may do: the decorator that makes a tool, the registry that runs tools, the tools of Prosa.

Knows only `core`. Adding a tool is one new file (a function or a method under `@tool`) and its test:
see `tools.decorator`.
"""

from tools.decorator import Tool, tool, tools_of
from tools.registry import Registry

__all__ = ["Registry", "Tool", "tool", "tools_of"]
