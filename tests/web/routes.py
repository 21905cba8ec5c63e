"""One request for every route of the application: who may make it, whose thing it names, what it leaves on the trail.

The tests of access, forgery, the trail, blinding and hostile texts go through this table; a route without a row here
makes them fail. `{experiment}` and the like in an address stand for things of somebody (see OWNERS).
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi.routing import APIRoute
from starlette.routing import Match

from app.web.app import ROUTERS
from tests.exchange.archives import lines
from tests.factories import passage, spec
from tests.studies import study_file
from tests.web.world import CAST, WHO

ANYONE = ("nobody", "admin", "researcher", "judge", "debater")
SIGNED_IN = ("admin", "researcher", "judge", "debater")
JUDGES = ("judge",)
DEBATERS = ("debater",)
SITTERS = ("judge", "debater")
RESEARCHERS = ("admin", "researcher")
ADMINS = ("admin",)

OWNERS = {
    "experiment": ("alice", ("charlie",)),
    "trial": ("alice", ("charlie",)),
    "invite": ("alice", ("charlie",)),
    "person": ("alice", ("charlie",)),
    "token": ("alice", ("charlie", "bob")),
    "draft": ("alice", ("charlie", "bob")),
    "study": ("alice", ("charlie",)),
    "seat": ("debater", ("judge", "rival")),
}
"""Kinds of things that are somebody's: whose they are in the tests, and for whom they are not there."""


@dataclass(frozen=True, slots=True)
class Route:
    """A request that a route takes when everything is right with it."""

    who: tuple[str, ...]
    """The roles that may make it."""
    address: str
    method: Literal["GET", "POST", "PUT", "DELETE"] = "GET"
    form: Mapping[str, Any] | None = None
    json: Any = None
    text: str = ""
    """A body that is neither a form nor JSON."""
    file: str = ""
    """What is uploaded, as a file of the field `file`."""
    leaves: str = ""
    """The action that it leaves on the audit trail."""
    besides: tuple[str, ...] = ()
    """Actions that follow from it, and are not noted as of the one who asked."""
    quiet: str = ""
    """Why it leaves nothing there, although it changes something."""
    scope: str = ""
    """What a token must be for, on routes of the API."""
    by: str = ""
    """Who of the cast makes it, where neither the owner of the thing nor somebody of the first role will do."""
    first: str = ""
    """What has to be so before, as SQL."""
    answers: int = 0
    """The status with which it is refused, where what it needs is not at hand in these tests."""

    @property
    def unsafe(self) -> bool:
        """Whether its method is one that may change something."""
        return self.method != "GET"

    @property
    def maker(self) -> str:
        """Somebody of the cast, or `nobody`, who may make it."""
        owner = OWNERS[self.names][0] if self.names else WHO.get(self.who[0], self.who[0])
        return self.by or (owner if CAST.get(owner, owner) in self.who else WHO[self.who[0]])

    @property
    def names(self) -> str:
        """The kind of somebody's thing that its address names; empty where it names none."""
        return next((kind for kind in OWNERS if f"{{{kind}}}" in self.address), "")

    def at(self, things: Mapping[str, object]) -> str:
        """Its address for these things."""
        return self.address.format_map(_Known(things))

    @property
    def body(self) -> dict[str, Any]:
        """Its body, as httpx takes it."""
        if self.json is not None:
            return {"json": self.json}
        if self.text:
            return {"content": self.text}
        uploaded = {"files": {"file": ("more.jsonl", self.file)}} if self.file else {}
        return {"data": self.form or {}, **uploaded}


class _Known(dict[str, object]):
    def __missing__(self, key: str) -> object:
        raise KeyError(f"No thing of the kind {key} is known: make one in tests/web/fixtures.py.")


def named(method: str, path: str) -> str | None:
    """The name of the route that takes a request, if one does."""
    scope = {"type": "http", "method": method, "path": path, "headers": [], "root_path": ""}
    for router in ROUTERS:
        for route in router.routes:
            if isinstance(route, APIRoute) and route.matches({**scope})[0] is Match.FULL:
                return route.name
    return None


BELIEF = {"path": "judging/order0/step0", "p": ["70", "30"], "text": "A quote says so."}
"""What a judge answers in a seat, where the table has what a debater does."""
SPEECH = {"path": "r1/debater_a", "text": "He had the mate sign below it: that was the pilot."}
PANEL = {"name": "again", "participants": spec()["participants"], "judges": ["dice"]}
LINE = passage("Cape", 1)
NOTHING_DUE = hashlib.sha256(b"[]").hexdigest()[:32]
"""Digest of a preview of payments in which nothing is due."""

ARCHIVE = "\n".join(json.dumps(line) for line in lines())

SHOWN = "notes that the page was shown, for the study"


def _on(page: str) -> str:
    """SQL that puts those who take part in a study on a page."""
    return f"UPDATE enrolment SET page = '{page}'"


AT_REST = (
    "WITH a AS (DELETE FROM study), b AS (DELETE FROM exposure), c AS (DELETE FROM seat) "
    "UPDATE experiment SET state = 'cancelled'"
)
"""SQL after which an experiment may be deleted: it is in no study, does not run, and no person took part."""

ROUTES: dict[str, Route] = {
    # coming and going
    "home": Route(ANYONE, "/"),
    "healthz": Route(ANYONE, "/healthz"),
    "readyz": Route(ANYONE, "/readyz", answers=503),
    "metrics": Route(ANYONE, "/metrics", answers=403),
    "sign_in_form": Route(ANYONE, "/sign-in"),
    "sign_in": Route(
        ANYONE,
        "/sign-in",
        method="POST",
        form={"email": "{email}", "password": "{password}"},
        leaves="signed in",
    ),
    "sign_out": Route(SIGNED_IN, "/sign-out", method="POST", leaves="signed out"),
    "sign_out_everywhere": Route(
        RESEARCHERS, "/sign-out-everywhere", method="POST", leaves="signed out everywhere"
    ),
    "language": Route(
        ("nobody", *SITTERS),
        "/language",
        method="POST",
        form={"language": "de", "to": "/judge/instructions"},
        quiet="it is only how pages look",
    ),
    "invite": Route(ANYONE, "/invite/{link}"),
    "join": Route(ANYONE, "/invite/{link}", method="POST", form={"name": "Newcomer"}, leaves="joined"),
    # experiments and reports
    "experiments": Route(RESEARCHERS, "/experiments"),
    "experiment": Route(RESEARCHERS, "/experiments/{experiment}"),
    "experiment_steer": Route(
        RESEARCHERS,
        "/experiments/{experiment}/steer",
        method="POST",
        form={"action": "pause"},
        leaves="paused",
    ),
    "experiment_cap": Route(
        RESEARCHERS,
        "/experiments/{experiment}/cap",
        method="POST",
        form={"calls": "1000"},
        leaves="changed the cap",
    ),
    "experiment_tags": Route(
        RESEARCHERS,
        "/experiments/{experiment}/tags",
        method="POST",
        form={"tags": "pilot", "note": "For the second figure."},
        leaves="changed tags or note",
    ),
    "experiment_rename": Route(
        RESEARCHERS,
        "/experiments/{experiment}/rename",
        method="POST",
        form={"new": "another"},
        leaves="renamed",
        first="DELETE FROM study",
    ),
    "experiment_delete_form": Route(RESEARCHERS, "/experiments/{experiment}/delete"),
    "experiment_delete": Route(
        RESEARCHERS,
        "/experiments/{experiment}/delete",
        method="POST",
        leaves="deleted",
        first=AT_REST,
    ),
    "experiment_export": Route(
        RESEARCHERS, "/experiments/{experiment}/export?what=transcripts&format=csv", leaves="exported"
    ),
    "experiment_trials": Route(RESEARCHERS, "/experiments/{experiment}/trials"),
    "experiment_compare": Route(RESEARCHERS, "/experiments/compare?name={experiment}"),
    "experiment_recomputed": Route(RESEARCHERS, "/experiments/{experiment}/report/recomputed"),
    "experiment_report": Route(RESEARCHERS, "/experiments/{experiment}/report"),
    "experiment_report_progress": Route(RESEARCHERS, "/experiments/{experiment}/report/progress"),
    "experiment_report_json": Route(RESEARCHERS, "/experiments/{experiment}/report.json"),
    "experiment_plot": Route(RESEARCHERS, "/experiments/{experiment}/plot/accuracy.csv"),
    "trial": Route(RESEARCHERS, "/trials/{trial}"),
    "trial_unshown": Route(RESEARCHERS, "/trials/{trial}/unshown?step=r1"),
    "trial_calls": Route(RESEARCHERS, "/trials/{trial}/calls?path=r1/debater_a"),
    # writing experiments
    "build": Route(RESEARCHERS, "/experiments/new"),
    "build_change": Route(
        RESEARCHERS,
        "/experiments/new",
        method="POST",
        form={"do": "add-arm"},
        quiet="changes what stands in a form; starting is noted by app/services/experiments.py, as for `api_start`",
    ),
    "drafts": Route(RESEARCHERS, "/drafts"),
    "draft_delete": Route(
        RESEARCHERS, "/drafts/{draft}/delete", method="POST", quiet="concerns nobody but the draft's owner"
    ),
    "round_form": Route(RESEARCHERS, "/experiments/{experiment}/judge"),
    "round_change": Route(
        RESEARCHERS,
        "/experiments/{experiment}/judge",
        method="POST",
        form={"do": "add-person"},
        quiet="changes what stands in a form; a round is noted by app/services/experiments.py, as for `api_judge`",
    ),
    # task sets
    "tasks": Route(RESEARCHERS, "/tasks"),
    "import_tasks": Route(
        RESEARCHERS,
        "/tasks",
        method="POST",
        form={"kind": "tasks", "name": "more"},
        file=json.dumps(LINE),
        leaves="imported",
    ),
    "archive_form": Route(RESEARCHERS, "/archives"),
    "import_archive": Route(
        # An admin sees what a researcher has imported before them, but not the other way round.
        ("researcher", "admin"),
        "/archives",
        method="POST",
        form={"name": "theirs", "where": "in_paper"},
        file=ARCHIVE,
        leaves="imported",
    ),
    "import_sample": Route(RESEARCHERS, "/tasks/sample", method="POST", leaves="imported"),
    "task_set": Route(RESEARCHERS, "/tasks/{set}"),
    "task_set_rename": Route(
        RESEARCHERS, "/tasks/{set}/rename", method="POST", form={"new": "another"}, leaves="renamed"
    ),
    "task_set_delete_form": Route(RESEARCHERS, "/tasks/{set}/delete"),
    "task_set_delete": Route(
        RESEARCHERS,
        "/tasks/{set}/delete",
        method="POST",
        leaves="deleted",
        first="DELETE FROM experiment",
    ),
    "task_questions": Route(RESEARCHERS, "/tasks/{set}/questions"),
    "task_question": Route(RESEARCHERS, "/tasks/{set}/questions/{question}"),
    # people of studies
    "study_people": Route(RESEARCHERS, "/studies/{study}/people"),
    "study_plot": Route(RESEARCHERS, "/studies/{study}/people/recruitment.svg"),
    "study_person": Route(RESEARCHERS, "/studies/{study}/people/{enrolment}"),
    "study_exclude": Route(
        RESEARCHERS,
        "/studies/{study}/people/{enrolment}/exclude",
        method="POST",
        form={"reason": "They said that they guessed."},
        leaves="excluded",
    ),
    "study_take_back": Route(
        RESEARCHERS,
        "/studies/{study}/people/{enrolment}/take-back",
        method="POST",
        form={"reason": "They did not."},
        leaves="took back an exclusion",
        first="UPDATE enrolment SET excluded_at = now(), excluded_because = 'They guessed.'",
    ),
    "study_release": Route(
        RESEARCHERS, "/studies/{study}/people/{enrolment}/release", method="POST", leaves="released"
    ),
    # paying people of studies
    "study_payments": Route(RESEARCHERS, "/studies/{study}/payments"),
    "study_pay": Route(
        RESEARCHERS,
        "/studies/{study}/payments",
        method="POST",
        form={"digest": NOTHING_DUE},
        leaves="recorded payments",
    ),
    "study_send": Route(
        RESEARCHERS, "/studies/{study}/payments/send", method="POST", form={"do": "outside"}, leaves="paid"
    ),
    "study_review": Route(
        RESEARCHERS,
        "/studies/{study}/payments/review",
        method="POST",
        form={"do": "approve-all"},
        quiet="no one waits here; each review is noted, as tests/services/test_recruitment.py shows",
    ),
    "study_sync": Route(RESEARCHERS, "/studies/{study}/payments/sync", method="POST", leaves="synced"),
    "study_prolific": Route(
        RESEARCHERS,
        "/studies/{study}/payments/prolific",
        method="POST",
        form={"do": "draft"},
        answers=409,
        quiet="this study does not recruit there; it is noted, as tests/services/test_recruitment.py shows",
    ),
    "study_payments_export": Route(
        RESEARCHERS, "/studies/{study}/payments/export", leaves="exported payments"
    ),
    "study_payments_import": Route(
        RESEARCHERS,
        "/studies/{study}/payments/import",
        method="POST",
        form={"do": "import"},
        file="part,paid\n",
        answers=422,
        quiet="this file has no line; it is noted, as tests/web/studies/test_payments.py shows",
    ),
    "prolific_events": Route(
        ANYONE,
        "/recruiters/prolific/events",
        method="POST",
        json={"event_type": "submission.status.change", "resource_id": "x", "status": "RETURNED"},
        answers=401,
        quiet="it is not signed here; what an event changes is noted, as tests/services/test_recruitment.py shows",
    ),
    # studies
    "studies": Route(RESEARCHERS, "/studies"),
    "study_new": Route(RESEARCHERS, "/studies/new"),
    "study_make": Route(
        RESEARCHERS,
        "/studies/new",
        method="POST",
        form={"do": "check"},
        quiet="changes what stands in a form; making is noted by app/services/studies.py, as for `api_make_study`",
    ),
    "study": Route(RESEARCHERS, "/studies/{study}"),
    "study_change_form": Route(RESEARCHERS, "/studies/{study}/change"),
    "study_change": Route(
        RESEARCHERS,
        "/studies/{study}/change",
        method="POST",
        form={"do": "check"},
        quiet="changes what stands in a form; changing is noted by app/services/studies.py, as for `api_change_study`",
    ),
    "study_steer": Route(
        RESEARCHERS, "/studies/{study}/steer", method="POST", form={"action": "open"}, leaves="open"
    ),
    "study_delete": Route(RESEARCHERS, "/studies/{study}/delete", method="POST", leaves="deleted"),
    "study_file": Route(RESEARCHERS, "/studies/{study}/file"),
    "study_text": Route(RESEARCHERS, "/studies/{study}/texts/consent"),
    "study_text_write": Route(
        RESEARCHERS,
        "/studies/{study}/texts/consent",
        method="POST",
        form={"markdown": "Do you agree, too?"},
        leaves="wrote a text of",
    ),
    "study_preview": Route(RESEARCHERS, "/studies/{study}/preview/consent"),
    # judging
    "judge_instructions": Route(JUDGES, "/judge/instructions"),
    "judge_instructed": Route(
        JUDGES,
        "/judge/instructions",
        method="POST",
        leaves="read the instructions",
        first="UPDATE account SET instructed_at = NULL",
    ),
    "judge_queue": Route(JUDGES, "/judge"),
    "judge_next": Route(JUDGES, "/judge/next", method="POST", leaves="took", by="rival"),
    "judge_feedback": Route(JUDGES, "/judge/feedback"),
    "judge_calibration": Route(JUDGES, "/judge/calibration"),
    # holding a seat of a talk
    "talk_instructions": Route(DEBATERS, "/talk/instructions"),
    "talk_instructed": Route(
        DEBATERS,
        "/talk/instructions",
        method="POST",
        leaves="read the instructions",
        first="UPDATE account SET instructed_at = NULL",
    ),
    "talk_queue": Route(DEBATERS, "/talk"),
    "talk_next": Route(
        DEBATERS,
        "/talk/next",
        method="POST",
        leaves="took",
        first="UPDATE seat SET state = 'open', participant_id = NULL, leased_until = NULL WHERE role = 'debater'",
    ),
    # the turn of a seat
    "seat": Route(SITTERS, "/seat/{seat}", quiet="prolongs the lease"),
    "seat_others": Route(SITTERS, "/seat/{seat}/others", quiet="notes that the page is open"),
    "seat_submit": Route(
        SITTERS,
        "/seat/{seat}",
        method="POST",
        form={f"0.{key}": value for key, value in SPEECH.items()},
        leaves="submitted",
    ),
    "seat_draft": Route(
        SITTERS,
        "/seat/{seat}/draft",
        method="POST",
        json={"answers": [SPEECH], "at": 1},
        quiet="saves every few seconds",
    ),
    "seat_return_form": Route(SITTERS, "/seat/{seat}/return"),
    "seat_return": Route(SITTERS, "/seat/{seat}/return", method="POST", leaves="gave back"),
    # taking part in a study
    "study_join_form": Route(ANYONE, "/join/{study_link}"),
    "study_join": Route(
        ANYONE,
        "/join/{study_link}",
        method="POST",
        form={"PROLIFIC_PID": "pid-newcomer", "SESSION_ID": "submission"},
        leaves="joined",
    ),
    "part": Route(SITTERS, "/part", by="recruit", quiet=SHOWN),
    "part_next": Route(
        SITTERS,
        "/part/next",
        method="POST",
        form={"page": "instructions"},
        by="recruit",
        first=_on("instructions"),
        quiet="turns a page",
    ),
    "part_enough": Route(SITTERS, "/part/enough", method="POST", by="recruit", quiet="turns a page"),
    "part_consent": Route(SITTERS, "/part/consent", by="recruit", quiet=SHOWN),
    "part_agree": Route(
        SITTERS,
        "/part/consent",
        method="POST",
        form={"text": "0"},
        by="recruit",
        first="DELETE FROM study_text",
        leaves="consented",
    ),
    "part_instructions": Route(SITTERS, "/part/instructions", by="recruit", quiet=SHOWN),
    "part_comprehension": Route(SITTERS, "/part/comprehension", by="recruit", quiet=SHOWN),
    "part_answers": Route(
        SITTERS,
        "/part/comprehension",
        method="POST",
        form={"q0": "1", "q1": "0"},
        by="recruit",
        first=_on("comprehension"),
        quiet="is kept as a step of the study",
    ),
    "part_practice": Route(SITTERS, "/part/practice", by="recruit", quiet=SHOWN),
    "part_questionnaire": Route(SITTERS, "/part/questionnaire", by="recruit", quiet=SHOWN),
    "part_fill_in": Route(
        SITTERS,
        "/part/questionnaire",
        method="POST",
        form={"age": "41"},
        by="recruit",
        first=_on("questionnaire"),
        quiet="is kept as a step of the study",
    ),
    "part_debriefing": Route(SITTERS, "/part/debriefing", by="recruit", quiet=SHOWN),
    "part_done": Route(SITTERS, "/part/done", by="recruit"),
    "part_stop": Route(SITTERS, "/part/stop", by="recruit"),
    "part_stopped": Route(
        SITTERS, "/part/stop", method="POST", by="recruit", first=_on("trials"), leaves="stopped"
    ),
    "part_withdraw": Route(SITTERS, "/part/withdraw", by="recruit"),
    "part_withdrawn": Route(
        SITTERS, "/part/withdraw", method="POST", form={"sure": "yes"}, by="recruit", leaves="withdrawn"
    ),
    # what is kept of a person
    "privacy": Route(ANYONE, "/privacy"),
    "part_privacy": Route(SITTERS, "/part/privacy"),
    "own_data": Route(SITTERS, "/privacy/data.json"),
    "own_data_delete": Route(
        SITTERS,
        "/privacy/delete",
        method="POST",
        form={"sure": "{sure}"},
        leaves="deleted the data of",
        besides=("released", "withdrawn"),
    ),
    "study_person_data": Route(RESEARCHERS, "/studies/{study}/people/{enrolment}/data"),
    "study_person_copy": Route(
        RESEARCHERS, "/studies/{study}/people/{enrolment}/data.json", leaves="read the data of"
    ),
    "study_person_delete": Route(
        RESEARCHERS,
        "/studies/{study}/people/{enrolment}/data/delete",
        method="POST",
        form={"sure": "yes"},
        leaves="deleted the data of",
        besides=("released", "withdrawn"),
    ),
    "person_data": Route(RESEARCHERS, "/people/{person}/data"),
    "person_copy": Route(RESEARCHERS, "/people/{person}/data.json", leaves="read the data of"),
    "person_delete": Route(
        RESEARCHERS,
        "/people/{person}/data/delete",
        method="POST",
        form={"sure": "yes"},
        leaves="deleted the data of",
        besides=("released", "withdrawn"),
    ),
    # people, endpoints, participants, tokens and the trail
    "people": Route(RESEARCHERS, "/people"),
    "invites": Route(RESEARCHERS, "/people/invites"),
    "make_invite": Route(
        RESEARCHERS,
        "/people/invites",
        method="POST",
        form={"role": "judge", "kind": "shared", "label": "x"},
        leaves="invited",
    ),
    "revoke_invite": Route(RESEARCHERS, "/people/invites/{invite}/revoke", method="POST", leaves="revoked"),
    "new_link": Route(RESEARCHERS, "/people/{person}/link", method="POST", leaves="gave a new link to"),
    "change_role": Route(
        ADMINS, "/people/{person}/role", method="POST", form={"role": "debater"}, leaves="changed role of"
    ),
    "disable_person": Route(RESEARCHERS, "/people/{person}/disable", method="POST", leaves="disabled"),
    "enable_person": Route(
        RESEARCHERS,
        "/people/{person}/enable",
        method="POST",
        leaves="enabled",
        first="UPDATE account SET disabled_at = now() WHERE name = 'Erin'",
    ),
    "endpoints": Route(ADMINS, "/endpoints"),
    "add_endpoint": Route(
        ADMINS,
        "/endpoints",
        method="POST",
        form={"name": "near", "base_url": "http://127.0.0.1:9/v1"},
        leaves="added",
    ),
    "try_endpoint": Route(ADMINS, "/endpoints/{endpoint}/try", method="POST", leaves="tried"),
    "participants": Route(RESEARCHERS, "/participants"),
    "new_participant": Route(RESEARCHERS, "/participants/new"),
    "add_participant": Route(
        RESEARCHERS,
        "/participants",
        method="POST",
        form={"name": "small", "endpoint": "{endpoint}", "model": "tiny"},
        leaves="added",
    ),
    "participant": Route(RESEARCHERS, "/participants/{participant}"),
    "try_participant": Route(RESEARCHERS, "/participants/{participant}/try", method="POST", leaves="tried"),
    "audit": Route(ADMINS, "/audit"),
    "tokens": Route(RESEARCHERS, "/account/tokens", by="alice"),
    "make_token": Route(
        RESEARCHERS,
        "/account/tokens",
        method="POST",
        form={"name": "laptop", "scopes": ["read"]},
        leaves="made",
    ),
    "revoke_token": Route(RESEARCHERS, "/account/tokens/{token}/revoke", method="POST", leaves="revoked"),
    # the JSON API
    "api_docs": Route(ANYONE, "/api"),
    "api_openapi": Route(ANYONE, "/api/v1/openapi.json"),
    "api_experiments": Route(RESEARCHERS, "/api/v1/experiments", scope="read"),
    "api_start": Route(
        RESEARCHERS,
        "/api/v1/experiments",
        method="POST",
        json=spec(name="begun"),
        leaves="started",
        scope="write",
    ),
    "api_experiment": Route(RESEARCHERS, "/api/v1/experiments/{experiment}", scope="read"),
    "api_steer": Route(
        RESEARCHERS, "/api/v1/experiments/{experiment}/pause", method="POST", leaves="paused", scope="write"
    ),
    "api_rename": Route(
        RESEARCHERS,
        "/api/v1/experiments/{experiment}/rename",
        method="POST",
        json={"name": "another"},
        leaves="renamed",
        scope="write",
        first="DELETE FROM study",
    ),
    "api_delete": Route(
        RESEARCHERS,
        "/api/v1/experiments/{experiment}",
        method="DELETE",
        leaves="deleted",
        scope="write",
        first=AT_REST,
    ),
    "api_tags": Route(
        RESEARCHERS,
        "/api/v1/experiments/{experiment}/tags",
        method="POST",
        json={"add": ["pilot"]},
        leaves="changed tags or note",
        scope="write",
    ),
    "api_cap": Route(
        RESEARCHERS,
        "/api/v1/experiments/{experiment}/cap",
        method="POST",
        json={"calls": 1000},
        leaves="changed the cap",
        scope="write",
    ),
    "api_progress": Route(RESEARCHERS, "/api/v1/experiments/{experiment}/progress", scope="read"),
    "api_compare": Route(RESEARCHERS, "/api/v1/compare?name={experiment}", scope="read"),
    "api_compare_text": Route(RESEARCHERS, "/api/v1/compare.txt?name={experiment}", scope="read"),
    "api_report": Route(RESEARCHERS, "/api/v1/experiments/{experiment}/report", scope="read"),
    "api_report_text": Route(RESEARCHERS, "/api/v1/experiments/{experiment}/report.txt", scope="read"),
    "api_export": Route(
        RESEARCHERS,
        "/api/v1/experiments/{experiment}/export?what=transcripts",
        leaves="exported",
        scope="read",
    ),
    "api_trials": Route(RESEARCHERS, "/api/v1/experiments/{experiment}/trials", scope="read"),
    "api_trial": Route(RESEARCHERS, "/api/v1/trials/{trial}", scope="read"),
    "api_rounds": Route(RESEARCHERS, "/api/v1/experiments/{experiment}/rounds", scope="read"),
    "api_judge": Route(
        RESEARCHERS,
        "/api/v1/experiments/{experiment}/rounds",
        method="POST",
        json=PANEL,
        leaves="judged again",
        scope="write",
    ),
    "api_tasks": Route(RESEARCHERS, "/api/v1/tasks", scope="read"),
    "api_upload": Route(
        RESEARCHERS, "/api/v1/tasks/more", method="POST", json=LINE, leaves="imported", scope="write"
    ),
    "api_rename_tasks": Route(
        RESEARCHERS,
        "/api/v1/tasks/{set}/rename",
        method="POST",
        json={"name": "another"},
        leaves="renamed",
        scope="write",
    ),
    "api_delete_tasks": Route(
        RESEARCHERS,
        "/api/v1/tasks/{set}",
        method="DELETE",
        leaves="deleted",
        scope="write",
        first="DELETE FROM experiment",
    ),
    "api_import_archive": Route(
        RESEARCHERS, "/api/v1/archives/others", method="POST", text=ARCHIVE, leaves="imported", scope="write"
    ),
    "api_studies": Route(RESEARCHERS, "/api/v1/studies", scope="read"),
    "api_make_study": Route(
        RESEARCHERS,
        "/api/v1/studies",
        method="POST",
        json=study_file(experiments=["for-people"]),
        leaves="made",
        scope="write",
        by="alice",
    ),
    "api_check_study": Route(
        RESEARCHERS,
        "/api/v1/studies/check",
        method="POST",
        json=study_file(experiments=["for-people"]),
        quiet="says what is wrong, and stores nothing",
        scope="read",
        by="alice",
    ),
    "api_study": Route(RESEARCHERS, "/api/v1/studies/{study}", scope="read"),
    "api_change_study": Route(
        RESEARCHERS,
        "/api/v1/studies/{study}",
        method="PUT",
        json=study_file(experiments=["for-people"]),
        leaves="changed",
        scope="write",
    ),
    "api_delete_study": Route(
        RESEARCHERS, "/api/v1/studies/{study}", method="DELETE", leaves="deleted", scope="write"
    ),
    "api_write_text": Route(
        RESEARCHERS,
        "/api/v1/studies/{study}/texts/consent",
        method="POST",
        json={"markdown": "Do you agree, too?"},
        leaves="wrote a text of",
        scope="write",
    ),
    "api_steer_study": Route(
        RESEARCHERS, "/api/v1/studies/{study}/open", method="POST", leaves="open", scope="write"
    ),
    "api_participants": Route(RESEARCHERS, "/api/v1/participants", scope="read"),
    "api_add_participant": Route(
        RESEARCHERS,
        "/api/v1/participants",
        method="POST",
        json={"name": "small", "settings": {"kind": "model", "model": "tiny", "endpoint": "far"}},
        leaves="added",
        scope="write",
    ),
    "api_try_participant": Route(
        RESEARCHERS, "/api/v1/participants/{participant}/try", method="POST", leaves="tried", scope="write"
    ),
    "api_people": Route(RESEARCHERS, "/api/v1/people", scope="read"),
    "api_person_data": Route(
        RESEARCHERS, "/api/v1/people/{person}/data", leaves="read the data of", scope="read"
    ),
    "api_delete_person": Route(
        RESEARCHERS,
        "/api/v1/people/{person}/delete",
        method="POST",
        leaves="deleted the data of",
        besides=("released", "withdrawn"),
        scope="write",
    ),
    "api_study_person_data": Route(
        RESEARCHERS,
        "/api/v1/studies/{study}/people/{enrolment}/data",
        leaves="read the data of",
        scope="read",
    ),
    "api_delete_study_person": Route(
        RESEARCHERS,
        "/api/v1/studies/{study}/people/{enrolment}/delete",
        method="POST",
        leaves="deleted the data of",
        besides=("released", "withdrawn"),
        scope="write",
    ),
    "api_new_link": Route(
        RESEARCHERS,
        "/api/v1/people/{person}/link",
        method="POST",
        leaves="gave a new link to",
        scope="write",
    ),
    "api_close_account": Route(
        RESEARCHERS, "/api/v1/people/{person}/close", method="POST", leaves="disabled", scope="write"
    ),
    "api_open_account": Route(
        RESEARCHERS,
        "/api/v1/people/{person}/open",
        method="POST",
        leaves="enabled",
        scope="write",
        first="UPDATE account SET disabled_at = now() WHERE name = 'Erin'",
    ),
    "api_invites": Route(RESEARCHERS, "/api/v1/invites", scope="read"),
    "api_make_invite": Route(
        RESEARCHERS,
        "/api/v1/invites",
        method="POST",
        json={"role": "judge", "shared": True},
        leaves="invited",
        scope="write",
    ),
    "api_revoke_invite": Route(
        RESEARCHERS, "/api/v1/invites/{invite}", method="DELETE", leaves="revoked", scope="write"
    ),
    "api_endpoints": Route(ADMINS, "/api/v1/endpoints", scope="admin"),
    "api_add_endpoint": Route(
        ADMINS,
        "/api/v1/endpoints",
        method="POST",
        json={"name": "near", "base_url": "http://127.0.0.1:9/v1"},
        leaves="added",
        scope="admin",
    ),
    "api_try_endpoint": Route(
        ADMINS, "/api/v1/endpoints/{endpoint}/try", method="POST", leaves="tried", scope="admin"
    ),
    "api_audit": Route(ADMINS, "/api/v1/audit", scope="admin"),
}
"""Name of a route to its request."""
