"""Texts of studies, written in Markdown by researchers, as HTML that a page may contain."""

from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

from app.templating import plain

DEEPEST = 6
"""The last level of headings in HTML."""


class _Renderer(RendererHTML):
    """Links leave no way back to the page; headings stand one level below the title of the page."""

    def link_open(self, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
        tokens[place].attrSet("rel", "noopener noreferrer")
        tokens[place].attrSet("target", "_blank")
        return self.renderToken(tokens, place, options, env)

    def heading_open(self, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
        tokens[place].tag = _below(tokens[place].tag)
        return self.renderToken(tokens, place, options, env)

    heading_close = heading_open

    def table_open(self, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
        return '<div class="scroll" role="region" tabindex="0" aria-label="Table">\n<table>\n'

    def table_close(self, tokens: Sequence[Token], place: int, options: OptionsDict, env: EnvType) -> str:
        return "</table>\n</div>\n"


def _below(tag: str) -> str:
    return f"h{min(int(tag[1:]) + 1, DEEPEST)}"


_settings: dict[str, Any] = {"html": False, "linkify": False, "typographer": False, "breaks": False}
# No images: a page may load the arena's own files alone.
_reader = MarkdownIt("commonmark", _settings, renderer_cls=_Renderer).enable("table").disable("image")


def rendered(markdown: str) -> Markup:
    """Return a text in Markdown as HTML. Markup in it is shown as it is written; addresses that run scripts are no links."""
    return Markup(_reader.render(plain(markdown)))  # noqa: S704 - the renderer escapes, and no HTML is let through
