"""Participants' pages as a researcher previews them: the same templates, in which nothing can be sent."""

from collections.abc import Mapping
from typing import Any

from markupsafe import Markup

from app.services.marked_quotes import Piece, rendered_pieces
from app.studies.spec import Item, ItemSpeech, Page, StudySpec
from app.templating import environment
from app.web.markdown import rendered
from app.web.participation.page_head import PageHead

ShownItem = tuple[Item, list[tuple[str, list[Piece]]], Markup]
"""An item, the speakers and stretches of its speeches, and why its answer is right."""


def previewed(spec: StudySpec, part: Page, csrf_token: str) -> Markup:
    """Return what a participant first sees of a page, without the head of the page. The trials have no page of their own."""
    if part is Page.TRIALS:
        return Markup()
    template = environment.get_template(f"pages/part_{part}.html")
    context = template.new_context(
        {"csrf_token": csrf_token, "text": rendered(spec.texts[part]), **_more(spec, part)}
    )
    shown = "".join(template.blocks["part"](context))
    # Links within a part would lead to pages that are for participants alone.
    return Markup(shown.replace(' href="/part', ' data-address="/part'))  # noqa: S704 - made by a template


def _more(spec: StudySpec, part: Page) -> Mapping[str, Any]:
    """Return what the template of a page wants besides its text, as for a person who comes to it first."""
    pages = spec.pages
    match part:
        case Page.CONSENT:
            return {"changed": False, "text_id": 0}
        case Page.INSTRUCTIONS:
            return {"argues": spec.role == "debater"}
        case Page.COMPREHENSION if pages.comprehension:
            asked = pages.comprehension
            none_chosen = {str(number): None for number in range(len(asked.questions))}
            first = {"chosen": none_chosen, "wrong": (), "why": {}, "missing": ()}
            return {
                **first,
                "questions": asked.questions,
                "left": asked.attempts,
                "attempts": asked.attempts,
            }
        case Page.PRACTICE if pages.practice:
            return {"left": len(pages.practice.items), "total": len(pages.practice.items)}
        case Page.QUESTIONNAIRE if pages.questionnaire:
            return {"fields": pages.questionnaire.fields, "given": {}, "errors": {}}
    return {}


def head_of(spec: StudySpec, part: Page) -> PageHead:
    """Return what the head of a page says."""
    return PageHead(spec.title, spec.path.index(part) + 1, len(spec.path), spec.time_limit)


def items_of(spec: StudySpec, part: Page) -> list[ShownItem]:
    """Return the items of a page: those of practice, or those between the trials."""
    found = spec.pages.practice.items if part is Page.PRACTICE and spec.pages.practice else ()
    if part is Page.TRIALS:
        found = (*spec.checks.attention, *spec.checks.gold)
    return [(item, [_speech(one) for one in item.speeches], rendered(item.why)) for item in found]


def _speech(speech: ItemSpeech) -> tuple[str, list[Piece]]:
    """Return the speaker of an item's speech, and its stretches with the marks of its quotes."""
    return speech.speaker, rendered_pieces(speech.text)
