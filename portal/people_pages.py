"""The pages about people: who may log in, with which role, and their passwords and sessions."""

from typing import Any
from uuid import UUID

from django.db.models import Q
from django.db.models.functions import Lower
from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from portal import (
    audit_listing,
    people,
    profile,
    second_factor,
    second_factor_changes,
    sessions,
    standing,
    text,
)
from portal.access import requires
from portal.form_reading import read
from portal.models import AuditEvent, User
from portal.pages import PageRequest, fragment
from portal.people_forms import (
    ConfirmedForm,
    FactsForm,
    NewPersonForm,
    ReasonForm,
    ResetForm,
    RoleForm,
    SearchForm,
)
from portal.refusal import Invalid
from portal.roles import Role
from portal.scopes import Scope
from portal.second_factor_forms import FactorsResetForm

MOST = 200
HISTORY = 50


@require_safe
@requires(Scope.USERS_READ)
def index(request: PageRequest) -> HttpResponse:
    """Everybody, or those whose name holds `q`."""
    wanted = read(SearchForm(request.GET))["q"]
    text.check("q", wanted, most=150)
    return render(request, "portal/people.html", {"form": _new(request), **_everybody(wanted)})


@require_POST
@requires(Scope.USERS_MANAGE)
def create(request: PageRequest) -> HttpResponse:
    """Add a person; a password that was generated stands in this answer and nowhere else."""
    form = _new(request, request.POST)
    if not form.is_valid():
        return _again(request, form, 400)
    wanted = form.cleaned_data
    sessions.confirm(request, wanted["password"])
    generated = "" if wanted["first_password"] else people.generate_password()
    password = generated or wanted["first_password"]
    known = {name: wanted[name] for name in profile.COLUMNS}
    try:
        person = people.create(wanted["name"], password, Role(wanted["role"]), by=request.actor, **known)
    except (Invalid, people.NameTaken) as unfit:
        [field] = unfit.invalid or ("name",)
        form.add_error("first_password" if field == "password" else field, str(unfit))
        return _again(request, form, unfit.status)
    context = {"person": person, "secret": generated, "created": True}
    if request.htmx:
        return trigger_client_event(render(request, "portal/_person_password.html", context), "people-changed")
    return render(request, "portal/people.html", {**context, **_everybody()})


@require_safe
@requires(Scope.USERS_READ)
def detail(request: PageRequest, person_id: UUID) -> HttpResponse:
    return render(request, "portal/person.html", _facts(request, _find(person_id)))


@require_POST
@requires(Scope.USERS_MANAGE)
def change_role(request: PageRequest, person_id: UUID) -> HttpResponse:
    person = _find(person_id)
    form = _role(request, person, request.POST)
    if form.has_error("password"):
        return _unconfirmed(request, person, role_form=form)
    wanted = read(form)
    sessions.confirm(request, wanted.pop("password"))
    standing.change_role(person, Role(wanted.pop("role")), by=request.actor, **wanted)
    return _show(request, person)


@require_POST
@requires(Scope.USERS_MANAGE)
def change_facts(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Take what is known of a person, or show beside each field what is wrong."""
    person = _find(person_id)
    form = FactsForm(request.POST, person=person)
    if form.is_valid():
        try:
            profile.change(person, by=request.actor, **form.cleaned_data)
        except Invalid as unfit:
            form.add_error(next(iter(unfit.invalid or ())), str(unfit))
        else:
            return _show(request, person)
    read(form) if form.has_error("seen") else None
    answer = _person(request, {**_facts(request, person), "facts_form": form}, 400)
    return reswap(retarget(answer, "#person"), "outerHTML") if request.htmx else answer


@require_POST
@requires(Scope.USERS_MANAGE)
def deactivate(request: PageRequest, person_id: UUID) -> HttpResponse:
    person, wanted = _find(person_id), read(ReasonForm(request.POST))
    standing.deactivate(person, by=request.actor, **wanted)
    return _show(request, person)


@require_POST
@requires(Scope.USERS_MANAGE)
def activate(request: PageRequest, person_id: UUID) -> HttpResponse:
    person, wanted = _find(person_id), read(ReasonForm(request.POST))
    standing.activate(person, by=request.actor, **wanted)
    return _show(request, person)


@require_POST
@requires(Scope.USERS_MANAGE)
def reset_password(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Set a forgotten password anew; it stands in this answer and nowhere else."""
    person = _find(person_id)
    form = ResetForm(request.POST, fresh=sessions.is_fresh(request))
    if form.has_error("password"):
        return _unconfirmed(request, person, reset_form=form)
    wanted = read(form)
    sessions.confirm(request, wanted.pop("password"))
    secret = people.reset_password(person, by=request.actor, **wanted)
    return _person(request, {**_facts(request, person), "secret": secret})


@require_POST
@requires(Scope.USERS_MANAGE)
def reset_second_factor(request: PageRequest, person_id: UUID) -> HttpResponse:
    """Remove the second factors of a person who lost them, once their name is typed."""
    person = _find(person_id)
    form = FactorsResetForm(request.POST, fresh=sessions.is_fresh(request))
    if form.has_error("password"):
        return _unconfirmed(request, person, factors_form=form)
    wanted = read(form)
    sessions.confirm(request, wanted.pop("password"))
    try:
        second_factor_changes.reset(person, by=request.actor, **wanted)
    except Invalid as unfit:
        form.add_error(next(iter(unfit.invalid or ())), str(unfit))
        return _unconfirmed(request, person, factors_form=form)
    return _show(request, person)


@require_POST
@requires(Scope.USERS_MANAGE)
def end_session(request: PageRequest, person_id: UUID, handle: str) -> HttpResponse:
    person = _find(person_id)
    sessions.end(person, handle, by=request.actor)
    return _show(request, person, ended=True)


@require_POST
@requires(Scope.USERS_MANAGE)
def end_sessions(request: PageRequest, person_id: UUID) -> HttpResponse:
    person = _find(person_id)
    sessions.end_all(person, by=request.actor)
    return _show(request, person, ended=True)


def _find(person_id: UUID) -> User:
    person = User.objects.filter(pk=person_id).first()
    if person is None:
        raise standing.Unknown
    return person


def _show(request: PageRequest, person: User, *, ended: bool = False) -> HttpResponse:
    """The person as they are now; `ended` says that this was about sessions, where the eye is."""
    context = {**_facts(request, _find(person.pk)), "ended": ended, "changed": not ended} if request.htmx else {}
    return fragment(request, "portal/_person.html", context, otherwise=f"/portal/people/{person.pk}/")


def _person(request: PageRequest, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The person in the answer to the POST itself, for what must not or cannot be found at an address."""
    template = "portal/_person.html" if request.htmx else "portal/person.html"
    return render(request, template, context, status=status)


def _unconfirmed(request: PageRequest, person: User, **asked: ConfirmedForm) -> HttpResponse:
    """The person with the form that still wants the password of who asks, or their name."""
    answer = _person(request, {**_facts(request, person), **asked}, 400)
    return reswap(retarget(answer, "#person"), "outerHTML") if request.htmx else answer


def _again(request: PageRequest, form: NewPersonForm, status: int) -> HttpResponse:
    """The form as it was filled in, without passwords, and what is wrong beside each field."""
    if not request.htmx:
        return render(request, "portal/people.html", {"form": form, **_everybody()}, status=status)
    answer = render(request, "portal/_person_form.html", {"form": form}, status=status)
    return reswap(retarget(answer, "#new-person"), "outerHTML")


def _new(request: PageRequest, sent: QueryDict | None = None) -> NewPersonForm:
    return NewPersonForm(sent, fresh=sessions.is_fresh(request), offered=standing.grantable(request.actor))


def _role(request: PageRequest, person: User, sent: QueryDict | None = None) -> RoleForm:
    offered = standing.grantable(request.actor)
    present = person.role if sent is None else sent.get("role", "")
    return RoleForm(sent, fresh=sessions.is_fresh(request), offered=offered, present=present)


def _everybody(wanted: str = "") -> dict[str, Any]:
    names = ("username", "first_name", "last_name")
    holds = Q(*((f"{name}__icontains", wanted) for name in names), _connector=Q.OR) if wanted else Q()
    found = User.objects.filter(holds)
    listed = found.order_by("-is_active", Lower("username"))
    return {"people": list(listed[:MOST]), "most": MOST, "wanted": wanted}


def _facts(request: PageRequest, person: User) -> dict[str, Any]:
    facts: dict[str, Any] = {"person": person, "is_self": person.pk == request.actor.owner}
    if request.actor.may(Scope.USERS_MANAGE):
        facts |= {
            "role_form": _role(request, person),
            "facts_form": FactsForm(person=person),
            "reset_form": ResetForm(None, fresh=sessions.is_fresh(request)),
            "factors_form": FactorsResetForm(None, fresh=sessions.is_fresh(request)),
            "held": second_factor.held(person),
            "demanded": second_factor.is_demanded(person),
            "sessions": sessions.lasting(person),
            "this": sessions.own_handle(request),
        }
    if request.actor.may(Scope.AUDIT_READ):
        events = AuditEvent.objects.filter(subject_kind="person", subject_id=person.username).order_by("-number")
        facts |= {"history": [(event, audit_listing.changes(event)) for event in events[:HISTORY]], "most": HISTORY}
    return facts
