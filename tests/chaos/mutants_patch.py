"""Puts a seeded bug into a running process: edits the text of Lua scripts and the code of Python functions.

An edit names a file and a piece of its text, which must be there exactly once; so an edit that no longer fits fails
loudly instead of changing nothing.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from hashlib import sha1
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any, Final

import msgspec

ROOT: Final = Path(__file__).resolve().parents[2]


class Edit(msgspec.Struct, frozen=True):
    """`old` becomes `new`, in `file` (from the repository's root). In Python: within functions, line by line."""

    file: str
    old: str
    new: str

    def applied(self) -> tuple[str, str]:
        """The file's text before and after. Raises ValueError where `old` is not there exactly once."""
        text = (ROOT / self.file).read_text()
        if (count := text.count(self.old)) != 1:
            raise ValueError(f"{self.file} holds {self.old!r} {count} times, not once")
        if self.file.endswith(".py") and self.old.count("\n") != self.new.count("\n"):
            raise ValueError(f"{self.file}: an edit of Python keeps the number of lines")
        return text, text.replace(self.old, self.new)


def apply_edits(edits: tuple[Edit, ...]) -> None:
    """Apply edits, each file's together. Raises ValueError where one does not fit."""
    for file in dict.fromkeys(edit.file for edit in edits):
        before = after = ""
        for edit in (edit for edit in edits if edit.file == file):
            original, _ = edit.applied()
            before, after = original, (after or original).replace(edit.old, edit.new)
        if file.endswith(".lua"):
            _change_scripts(file, before, after)
        else:
            _change_functions(file, before, after)


def _change_scripts(file: str, before: str, after: str) -> None:
    """A shared file is part of many scripts; it is changed in each."""
    scripts = importlib.import_module("memory.scripts")
    changed = 0
    for script in scripts.ALL:
        text = script.text.decode()
        if before not in text:
            continue
        new_text = text.replace(before, after).encode()
        msgspec.structs.force_setattr(script, "text", new_text)
        msgspec.structs.force_setattr(script, "digest", sha1(new_text, usedforsecurity=False).hexdigest().encode())
        changed += 1
    if not changed:
        raise ValueError(f"no script holds {file}")


def _change_functions(file: str, before: str, after: str) -> None:
    """Give live functions the code of the edited text; whoever imported them already has them too."""
    module = importlib.import_module(file.removesuffix(".py").replace("/", "."))
    old_codes, new_codes = _codes(file, before), _codes(file, after)
    names = [name for name, code in new_codes.items() if code != old_codes.get(name)]
    if not names:
        raise ValueError(f"{file}: the edit is in no function")
    live = dict(_functions(module))
    for name in names:
        if name not in live:
            raise ValueError(f"{file}: {name!r} is not a function that can be changed")
        live[name].__code__ = new_codes[name]


def _codes(file: str, text: str) -> dict[str, CodeType]:
    """The code of each function and method by its qualified name; inner functions are part of their outer ones."""
    found: dict[str, CodeType] = {}

    def walk(code: CodeType, *, in_function: bool) -> None:
        for constant in code.co_consts:
            if isinstance(constant, CodeType):
                is_function = bool(constant.co_flags & 0x2)  # CO_NEWLOCALS: a class body has it not
                if is_function and not in_function:
                    found[constant.co_qualname] = constant
                walk(constant, in_function=in_function or is_function)

    walk(compile(text, str(ROOT / file), "exec", dont_inherit=True), in_function=False)
    return found


def _functions(module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    for value in vars(module).values():
        if isinstance(value, type) and value.__module__ == module.__name__:
            for member in vars(value).values():
                yield from _function(member, module)
        else:
            yield from _function(value, module)


def _function(value: Any, module: ModuleType) -> Iterator[tuple[str, FunctionType]]:
    """The function behind a method, a property or a decorator that keeps what it wraps."""
    if isinstance(value, property):
        value = value.fget
    value = getattr(value, "__func__", value)
    while hasattr(value, "__wrapped__"):
        value = value.__wrapped__
    if isinstance(value, FunctionType) and value.__module__ == module.__name__:
        yield value.__qualname__, value
