"""HTML pages: their texts and resources, markup that must not work, and a browser."""

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
    """The texts and resources of a page; fails on a tag that isn't closed correctly."""

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
        """Record the tag as open."""
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Check that the end tag closes the last open tag."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Record words, and separately the style."""
        if "style" in self.open:
            self.style += data
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        """Return all words, with one space between them."""
        return " ".join(" ".join(self.words).split())

    def values(self, name: str) -> list[str]:
        """Return all values of an attribute."""
        return [value for _, attributes in self.tags if (value := attributes.get(name)) is not None]

    def patches(self) -> list[NDArray[np.uint8]]:
        """Return the decoded pixels of all patches on the page."""
        contents = [uri.removeprefix("data:image/webp;base64,") for uri in self.values("src")]
        return [decoded(content) for content in contents if not content.startswith("data:")]


def decoded(content: str) -> NDArray[np.uint8]:
    """Return the pixels of an image in base64."""
    image = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None
    return np.asarray(image, np.uint8)


BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def browser() -> str:
    """Return a browser of this machine; CI must have one."""
    for name in BROWSERS:
        if path := shutil.which(name):
            return path
    message = f"none of {', '.join(BROWSERS)} is installed (Debian: apt-get install chromium)"
    if os.environ.get("CI"):
        pytest.fail(message)
    pytest.skip(message)
