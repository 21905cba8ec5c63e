"""Texts in Markdown: what they may be made of, and what they may not do to a page."""

import re

import pytest

from app.web.markdown import rendered


def test_the_usual_parts_are_rendered() -> None:
    html = rendered(
        "# Before you begin\n\n*Take* **care**:\n\n- one\n- two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n"
    )
    for part in ("<em>Take</em>", "<strong>care</strong>", "<li>one</li>", "<td>1</td>"):
        assert part in html


def test_headings_stand_below_the_title_of_the_page() -> None:
    html = rendered("# One\n\n## Two\n\n###### Six\n")
    assert re.findall(r"<(h\d)>.*</(h\d)>", html) == [("h2", "h2"), ("h3", "h3"), ("h6", "h6")]


def test_links_open_beside_the_page_and_leave_no_way_back_to_it() -> None:
    html = rendered("See [the notes](https://example.org/notes) and <https://example.org>.")
    links = re.findall(r"<a [^>]*>", html)
    assert len(links) == 2
    assert all('rel="noopener noreferrer"' in link and 'target="_blank"' in link for link in links)


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "a <b onclick='x()'>word</b>",
        "[here](javascript:alert(1))",
        "[here](data:text/html;base64,PHNjcmlwdD4=)",
        "[here](vbscript:x)",
        '[here](https://a.example/"onmouseover="alert(1))',
        "![seen](https://tracker.example/pixel.png)",
        "<style>body{display:none}</style>",
        "<form action=/sign-out method=post><button>x</button></form>",
    ],
)
def test_no_markup_script_or_image_gets_through(hostile: str) -> None:
    html = rendered(hostile)
    tags = set(re.findall(r"<(/?\w+)", html))
    assert tags <= {"p", "/p", "a", "/a"}
    for address in re.findall(r'href="([^"]*)"', html):
        assert address.startswith("https://")
    assert not re.search(r"<[^>]*\son\w+=", html)


def test_characters_that_turn_the_writing_around_are_shown_as_replaced() -> None:
    assert "\u202e" not in rendered("a \u202e b")
