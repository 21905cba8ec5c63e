"""Who may do what: the only place that says so.

Every route has a name, and every name is in `PERMISSIONS`; the application refuses to start otherwise. Whose
object it is, `app.services.visibility` decides for the function that loads the object.
"""

from collections.abc import Iterable

from fastapi import APIRouter
from fastapi.routing import APIRoute

ANYONE: frozenset[str] = frozenset({"nobody", "admin", "researcher", "judge", "debater"})
"""Also who is not signed in."""
SIGNED_IN: frozenset[str] = ANYONE - {"nobody"}
JUDGES: frozenset[str] = frozenset({"judge"})
DEBATERS: frozenset[str] = frozenset({"debater"})
SITTERS: frozenset[str] = JUDGES | DEBATERS
"""Who may hold a seat: judges those that do not read the passage, debaters the others."""
NEWCOMERS: frozenset[str] = SITTERS | {"nobody"}
"""Those whose pages speak other languages than English."""
RESEARCHERS: frozenset[str] = frozenset({"admin", "researcher"})
ADMINS: frozenset[str] = frozenset({"admin"})

PERMISSIONS: dict[str, frozenset[str]] = {
    # coming and going
    "home": ANYONE,
    "sign_in_form": ANYONE,
    "sign_in": ANYONE,
    "sign_out": SIGNED_IN,
    "sign_out_everywhere": RESEARCHERS,
    "invite": ANYONE,
    "join": ANYONE,
    "healthz": ANYONE,
    "readyz": ANYONE,
    # The route itself asks for the token, or for a program on this machine.
    "metrics": ANYONE,
    "language": NEWCOMERS,
    # experiments and reports
    "experiments": RESEARCHERS,
    "experiment": RESEARCHERS,
    "experiment_steer": RESEARCHERS,
    "experiment_cap": RESEARCHERS,
    "experiment_tags": RESEARCHERS,
    "experiment_rename": RESEARCHERS,
    "experiment_delete_form": RESEARCHERS,
    "experiment_delete": RESEARCHERS,
    "experiment_export": RESEARCHERS,
    "experiment_trials": RESEARCHERS,
    "experiment_compare": RESEARCHERS,
    "experiment_report": RESEARCHERS,
    "experiment_recomputed": RESEARCHERS,
    "experiment_report_progress": RESEARCHERS,
    "experiment_report_json": RESEARCHERS,
    "experiment_plot": RESEARCHERS,
    "trial": RESEARCHERS,
    "trial_unshown": RESEARCHERS,
    "trial_calls": RESEARCHERS,
    # task sets
    "tasks": RESEARCHERS,
    "import_tasks": RESEARCHERS,
    "import_sample": RESEARCHERS,
    "archive_form": RESEARCHERS,
    "import_archive": RESEARCHERS,
    # people of studies
    "study_people": RESEARCHERS,
    "study_plot": RESEARCHERS,
    "study_person": RESEARCHERS,
    "study_exclude": RESEARCHERS,
    "study_take_back": RESEARCHERS,
    "study_release": RESEARCHERS,
    "task_set": RESEARCHERS,
    "task_set_rename": RESEARCHERS,
    "task_set_delete_form": RESEARCHERS,
    "task_set_delete": RESEARCHERS,
    "task_questions": RESEARCHERS,
    "task_question": RESEARCHERS,
    # paying people of studies
    "study_payments": RESEARCHERS,
    "study_pay": RESEARCHERS,
    "study_send": RESEARCHERS,
    "study_review": RESEARCHERS,
    "study_sync": RESEARCHERS,
    "study_prolific": RESEARCHERS,
    "study_payments_export": RESEARCHERS,
    "study_payments_import": RESEARCHERS,
    "prolific_events": ANYONE,
    # writing experiments
    "build": RESEARCHERS,
    "build_change": RESEARCHERS,
    "drafts": RESEARCHERS,
    "draft_delete": RESEARCHERS,
    "round_form": RESEARCHERS,
    "round_change": RESEARCHERS,
    # studies
    "studies": RESEARCHERS,
    "study_new": RESEARCHERS,
    "study_make": RESEARCHERS,
    "study": RESEARCHERS,
    "study_change_form": RESEARCHERS,
    "study_change": RESEARCHERS,
    "study_steer": RESEARCHERS,
    "study_delete": RESEARCHERS,
    "study_file": RESEARCHERS,
    "study_text": RESEARCHERS,
    "study_text_write": RESEARCHERS,
    "study_preview": RESEARCHERS,
    # judging
    "judge_instructions": JUDGES,
    "judge_instructed": JUDGES,
    "judge_queue": JUDGES,
    "judge_next": JUDGES,
    "judge_feedback": JUDGES,
    "judge_calibration": JUDGES,
    # arguing
    "talk_instructions": DEBATERS,
    "talk_instructed": DEBATERS,
    "talk_queue": DEBATERS,
    "talk_next": DEBATERS,
    # the turn of a seat
    "seat": SITTERS,
    "seat_others": SITTERS,
    "seat_submit": SITTERS,
    "seat_draft": SITTERS,
    "seat_return_form": SITTERS,
    "seat_return": SITTERS,
    # taking part in a study
    "study_join_form": ANYONE,
    "study_join": ANYONE,
    "part": SITTERS,
    "part_next": SITTERS,
    "part_enough": SITTERS,
    "part_consent": SITTERS,
    "part_agree": SITTERS,
    "part_instructions": SITTERS,
    "part_comprehension": SITTERS,
    "part_answers": SITTERS,
    "part_practice": SITTERS,
    "part_questionnaire": SITTERS,
    "part_fill_in": SITTERS,
    "part_debriefing": SITTERS,
    "part_done": SITTERS,
    "part_stop": SITTERS,
    "part_stopped": SITTERS,
    "part_withdraw": SITTERS,
    "part_withdrawn": SITTERS,
    # what is kept of a person
    "privacy": ANYONE,
    "part_privacy": SITTERS,
    "own_data": SITTERS,
    "own_data_delete": SITTERS,
    "study_person_data": RESEARCHERS,
    "study_person_copy": RESEARCHERS,
    "study_person_delete": RESEARCHERS,
    "person_data": RESEARCHERS,
    "person_copy": RESEARCHERS,
    "person_delete": RESEARCHERS,
    # people, endpoints, participants, tokens and the trail
    "people": RESEARCHERS,
    "invites": RESEARCHERS,
    "make_invite": RESEARCHERS,
    "revoke_invite": RESEARCHERS,
    "new_link": RESEARCHERS,
    "change_role": ADMINS,
    "disable_person": RESEARCHERS,
    "enable_person": RESEARCHERS,
    "endpoints": ADMINS,
    "add_endpoint": ADMINS,
    "try_endpoint": ADMINS,
    "participants": RESEARCHERS,
    "new_participant": RESEARCHERS,
    "add_participant": RESEARCHERS,
    "participant": RESEARCHERS,
    "try_participant": RESEARCHERS,
    "audit": ADMINS,
    "tokens": RESEARCHERS,
    "make_token": RESEARCHERS,
    "revoke_token": RESEARCHERS,
    # the JSON API
    "api_docs": ANYONE,
    "api_openapi": ANYONE,
    "api_experiments": RESEARCHERS,
    "api_start": RESEARCHERS,
    "api_experiment": RESEARCHERS,
    "api_cap": RESEARCHERS,
    "api_tags": RESEARCHERS,
    "api_steer": RESEARCHERS,
    "api_rename": RESEARCHERS,
    "api_delete": RESEARCHERS,
    "api_progress": RESEARCHERS,
    "api_compare": RESEARCHERS,
    "api_compare_text": RESEARCHERS,
    "api_report": RESEARCHERS,
    "api_report_text": RESEARCHERS,
    "api_export": RESEARCHERS,
    "api_trials": RESEARCHERS,
    "api_trial": RESEARCHERS,
    "api_rounds": RESEARCHERS,
    "api_judge": RESEARCHERS,
    "api_tasks": RESEARCHERS,
    "api_upload": RESEARCHERS,
    "api_rename_tasks": RESEARCHERS,
    "api_delete_tasks": RESEARCHERS,
    "api_import_archive": RESEARCHERS,
    "api_studies": RESEARCHERS,
    "api_make_study": RESEARCHERS,
    "api_check_study": RESEARCHERS,
    "api_study": RESEARCHERS,
    "api_change_study": RESEARCHERS,
    "api_delete_study": RESEARCHERS,
    "api_write_text": RESEARCHERS,
    "api_steer_study": RESEARCHERS,
    "api_participants": RESEARCHERS,
    "api_add_participant": RESEARCHERS,
    "api_try_participant": RESEARCHERS,
    "api_people": RESEARCHERS,
    "api_person_data": RESEARCHERS,
    "api_delete_person": RESEARCHERS,
    "api_study_person_data": RESEARCHERS,
    "api_delete_study_person": RESEARCHERS,
    "api_new_link": RESEARCHERS,
    "api_close_account": RESEARCHERS,
    "api_open_account": RESEARCHERS,
    "api_invites": RESEARCHERS,
    "api_make_invite": RESEARCHERS,
    "api_revoke_invite": RESEARCHERS,
    "api_endpoints": ADMINS,
    "api_add_endpoint": ADMINS,
    "api_try_endpoint": ADMINS,
    "api_audit": ADMINS,
}
"""Name of a route to the roles that may use it."""

SCOPES: dict[str, str] = {
    "api_experiments": "read",
    "api_start": "write",
    "api_experiment": "read",
    "api_cap": "write",
    "api_tags": "write",
    "api_steer": "write",
    "api_rename": "write",
    "api_delete": "write",
    "api_progress": "read",
    "api_compare": "read",
    "api_compare_text": "read",
    "api_report": "read",
    "api_report_text": "read",
    "api_export": "read",
    "api_trials": "read",
    "api_trial": "read",
    "api_rounds": "read",
    "api_judge": "write",
    "api_tasks": "read",
    "api_upload": "write",
    "api_rename_tasks": "write",
    "api_delete_tasks": "write",
    "api_import_archive": "write",
    "api_studies": "read",
    "api_make_study": "write",
    "api_check_study": "read",
    "api_study": "read",
    "api_change_study": "write",
    "api_delete_study": "write",
    "api_write_text": "write",
    "api_steer_study": "write",
    "api_participants": "read",
    "api_add_participant": "write",
    "api_try_participant": "write",
    "api_people": "read",
    "api_person_data": "read",
    "api_delete_person": "write",
    "api_study_person_data": "read",
    "api_delete_study_person": "write",
    "api_new_link": "write",
    "api_close_account": "write",
    "api_open_account": "write",
    "api_invites": "read",
    "api_make_invite": "write",
    "api_revoke_invite": "write",
    "api_endpoints": "admin",
    "api_add_endpoint": "admin",
    "api_try_endpoint": "admin",
    "api_audit": "admin",
}
"""Name of a route of the API to the scope that a token needs for it, whatever the role of its owner."""


def may(role: str | None, route: str) -> bool:
    """Return whether a user with this role (None: not signed in) may use a route."""
    return (role or "nobody") in PERMISSIONS[route]


def needs_token(path: str) -> bool:
    """Whether a path is of the API, where nothing but its own description goes without a token."""
    return path.startswith("/api/v1/") and path != "/api/v1/openapi.json"


def check_complete(routers: Iterable[APIRouter]) -> None:
    """Refuse an application with a route that this module says nothing of, or a permission for no route."""
    routes = [route for router in routers for route in router.routes if isinstance(route, APIRoute)]
    names = {route.name for route in routes}
    if names != set(PERMISSIONS):
        unsaid, idle = sorted(names - set(PERMISSIONS)), sorted(set(PERMISSIONS) - names)
        raise RuntimeError(
            f"app/web/security/permissions.py must name every route: it lacks {unsaid} and names {idle} for nothing."
        )
    if {route.name for route in routes if needs_token(route.path)} != set(SCOPES):
        raise RuntimeError(
            "app/web/security/permissions.py must name the scope of every route of the API, and of no other."
        )
