"""Pages of HTML: what they show and load, markup that must not work, and a browser to see them."""

import base64
import os
import shutil
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

VOID = {"br", "img", "link", "meta", "source"}


MARKUP = "<script>alert('&')</script>"


class Page(HTMLParser):
    """What a page shows and loads; fails at a tag that is closed wrongly, or not at all."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.style = ""
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag, and that it waits for its end."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Hold the end against the tag that waits for it."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Note words, and the style apart from them."""
        if "style" in self.open:
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """All words, with one space between them."""
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        """All values of an attribute."""
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]

    def patches(self) -> list[NDArray[np.uint8]]:
        """The pixels of all patches on the page, decoded."""
        contents = [uri.removeprefix("data:image/webp;base64,") for uri in self.values("src")]
        return [decoded(content) for content in contents if not content.startswith("data:")]


def decoded(content: str) -> NDArray[np.uint8]:
    """The pixels of an image in base64."""
    image = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return np.asarray(image, np.uint8)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """A browser of this machine; in CI one has to be there."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    message = f"none of {', '.join(BROWSERS)} is installed (Debian: apt-get install chromium)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
