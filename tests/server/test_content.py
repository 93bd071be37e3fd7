"""What a message may hold."""

from __future__ import annotations

import pytest

from core.errors import UserError
from core.messages import Part
from server.content import MOST_IMAGES, check_content

TEXT = Part(type="text", text="what is it?")
PICTURE = Part(type="image", url="https://shop.test/a.png?size=2")


@pytest.mark.parametrize(
    "url", ["https://shop.test/a.png", "data:image/png;base64,iVBORw0KGgo=", "data:image/webp;base64,AAAA"]
)
def test_an_agent_that_sees_takes_pictures(url: str) -> None:
    check_content((TEXT, Part(type="image", url=url)), images=True)
    check_content((Part(type="image", url=url),), images=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.test/a.png",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://",
        "https:// shop.test",
        "data:image/svg+xml;base64,AAAA",
        "data:text/html;base64,AAAA",
        "data:image/png;base64,AA AA",
        "data:image/png,AAAA",
    ],
)
def test_other_urls_are_refused(url: str) -> None:
    with pytest.raises(UserError, match=r"content\[1\]\.url: an https: URL"):
        check_content((TEXT, Part(type="image", url=url)), images=True)


def test_an_agent_that_does_not_see_says_so() -> None:
    with pytest.raises(UserError, match="takes parts of type 'text'"):
        check_content((TEXT, PICTURE), images=False)


@pytest.mark.parametrize("kind", ["audio", "file"])
def test_what_nobody_reads_is_refused(kind: str) -> None:
    with pytest.raises(UserError, match="'text' and 'image'"):
        check_content((TEXT, Part(type=kind, url="https://shop.test/a")), images=True)  # type: ignore[arg-type]


def test_an_upload_that_is_not_there_is_refused() -> None:
    with pytest.raises(UserError, match="is wanted"):
        check_content((TEXT, Part(type="image", media_id="m_1")), images=True)


def test_pictures_have_a_most() -> None:
    with pytest.raises(UserError, match=f"at most {MOST_IMAGES} pictures"):
        check_content((PICTURE,) * (MOST_IMAGES + 1), images=True)


def test_words_are_checked_too() -> None:
    with pytest.raises(UserError, match="must not be empty"):
        check_content("  ", images=True)
