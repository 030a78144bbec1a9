"""Serial output as text."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compute.terminal import plain_text


@pytest.mark.parametrize(
    ("raw", "shown"),
    [
        (b"plain\r\nlines\n", "plain\nlines\n"),
        (b"\x1b[1;32mgreen\x1b[0m", "green"),
        (b"\x1b]0;title\x07shell", "shell"),
        (b"\x1b[2J\x1b[Hclear", "clear"),
        (b"10%\r50%\r100%\n", "100%\n"),
        (b"abcdef\rxy\n", "xycdef\n"),
        (b"pasx\bsword", "password"),
        (b"tab\there", "tab\there"),
        (b"cut off \x1b[3", "cut off "),
        ("山雲 \u2713".encode(), "山雲 ✓"),
        (b"bad \xff\xfe", "bad \ufffd\ufffd"),
        (b"nul\x00 bell\x07", "nul bell"),
    ],
)
def test_it_reads_as_a_terminal_shows_it(raw, shown):
    assert plain_text(raw) == shown


@given(st.binary(max_size=200))
def test_no_control_character_is_left(raw):
    assert not any(ord(c) < 32 and c not in "\n\t" for c in plain_text(raw))
