"""Tests of `commands.screens`: texts stand beside their names, in lines that fit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from metastasis.commands import screens

WORDS = st.text("ab é", max_size=300)


def test_texts_are_aligned_and_wrapped_beside_their_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    long = " ".join(["word"] * 14)
    assert screens.lay_out([("a", long), ("name", "one\ntwo"), ("", "three")]) == (
        f"a     {' '.join(['word'] * 11)}\n"
        f"      {' '.join(['word'] * 3)}\n"
        "name  one\n"
        "      two\n"
        "      three"
    )


@given(rows=st.lists(st.tuples(st.text("xy", max_size=9), WORDS), min_size=1), width=st.integers(1))
def test_every_word_is_shown_once_in_lines_that_fit(
    rows: list[tuple[str, str]], width: int
) -> None:
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("COLUMNS", str(width))
        shown = screens.lay_out(rows)
    words = [word for name, text in rows for word in f"{name} {text}".split()]
    assert sorted(shown.split()) == sorted(words)
    longest = max(map(len, words), default=0) + 12
    assert max(map(len, shown.split("\n"))) <= max(min(max(width, 60), 100), longest)


def test_a_text_cannot_steer_the_terminal() -> None:
    hostile = "a\x1b]0;title\x07 \x1b[2Jb\u202ec\r\u2028d"
    shown = screens.lay_out([("note", hostile)])
    assert shown == r"note  a\x1b]0;title\x07 \x1b[2Jb\u202ec\r\u2028d"
