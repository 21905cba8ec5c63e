"""Tests of the rules of studies, and small studies for tests."""

from typing import Any

from app.studies.spec import StudySpec, parse_study

ITEM = {"key": "plain", "question": "Which?", "answers": ["This.", "That."], "right": 0}


def study_file(**changes: Any) -> dict[str, Any]:
    """The file of a small study on the experiment `small`, with a page of every kind."""
    return {
        "name": "pilot",
        "title": "Which answer is right?",
        "experiments": ["small"],
        "trials": 2,
        "people": 2,
        "minutes": 10,
        "reward": {"amount": 1.5, "currency": "GBP"},
        "recruiter": {"kind": "prolific"},
        "pages": {
            "consent": {"text": "Do you **agree**?"},
            "instructions": {"text": "Read, then judge."},
            "comprehension": {"questions": [{"question": "Clear?", "answers": ["Yes", "No"], "right": 0}]},
            "practice": {"items": [{**ITEM, "key": "first", "why": "It says so."}]},
            "questionnaire": {"fields": [{"name": "clear", "kind": "yes_no", "label": "Clear?"}]},
            "debriefing": {"text": "Thank you."},
        },
        "checks": {"attention": [ITEM]},
        **changes,
    }


def study_spec(**changes: Any) -> StudySpec:
    """That study, read."""
    return parse_study(study_file(**changes))
