"""The documents say what is so: settings, endpoints, sections, links and the code in them."""

from __future__ import annotations

import ast
import re
import subprocess
from pathlib import Path

import pytest

from metrics.catalog import CATALOG
from server.openapi import ENDPOINTS
from server.settings import Settings, settings_table

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_settings_in_the_readme_are_those_of_the_code() -> None:
    shown = re.search(r"<!-- settings: [^>]*-->\n(.*?)\n?<!-- /settings -->", README, re.DOTALL)
    assert shown is not None
    assert shown.group(1) == settings_table()


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_each_setting_is_described(name: str) -> None:
    assert Settings.model_fields[name].description


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_each_endpoint_is_in_the_readme(endpoint: object) -> None:
    assert f"`{endpoint.method.upper()} {endpoint.path}`" in README  # type: ignore[attr-defined]


@pytest.mark.parametrize("metric", CATALOG, ids=lambda metric: metric.name)
def test_each_metric_is_documented(metric: object) -> None:
    assert metric.name in (ROOT / "docs" / "metrics.md").read_text()  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "section",
    [
        "The idea",
        "Main components",
        "Technical justifications",
        "Observability and logging",
        "Scaling plan",
        "Data model",
    ],
)
def test_the_architecture_has_its_sections(section: str) -> None:
    assert f"\n## {section}\n" in ARCHITECTURE


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_within_the_project_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [target for target in targets if not (page.parent / target).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_python_in_the_documents_is_python(page: Path) -> None:
    for block in re.findall(r"```python\n(.*?)```", page.read_text(), re.DOTALL):
        ast.parse(block)


def test_the_project_refers_to_nothing_outside_itself() -> None:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split("\n")
    outside = re.compile(r"\.\./[s]hared/")
    texts = {name: (ROOT / name).read_bytes().decode(errors="replace") for name in files if (ROOT / name).is_file()}
    assert [name for name, text in texts.items() if outside.search(text)] == []
