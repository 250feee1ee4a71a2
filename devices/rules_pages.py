"""The pages about enrolment rules: which there are, what they would have matched, and changing them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.http import HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe

from devices import enrolment, known_cas, rules, rules_preview
from devices.models import EnrolmentRule
from devices.rules_forms import ConditionsForm, RuleForm, SeenForm, blank, said, unsaved
from portal.access import requires
from portal.form_reading import read
from portal.pages import PageRequest, fragment
from portal.refusal import Invalid
from portal.scopes import Scope

LIST = "rules:list"


@dataclass(frozen=True)
class Shown:
    """A rule, the name of its CA, empty if no such CA is known, and in a word whether it decides now."""

    rule: EnrolmentRule
    ca_name: str
    standing: str


@require_safe
@requires(Scope.DEVICES_READ)
def index(request: PageRequest) -> HttpResponse:
    """All rules, the oldest first."""
    names, now = known_cas.names(), timezone.now()
    found = EnrolmentRule.objects.order_by("created_at", "pk")
    listed = [Shown(rule, names.get(rule.ca, ""), enrolment.standing(rule, now)) for rule in found]
    return render(request, "devices/rules.html", {"listed": listed, "enrolment": settings.ENROLMENT})


@require_safe
@requires(Scope.DEVICES_ADMIT)
def new(request: PageRequest) -> HttpResponse:
    return render(request, "devices/rule.html", _facts(RuleForm(initial=blank())))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def create(request: PageRequest) -> HttpResponse:
    """Make a rule; it decides at once."""
    form = RuleForm(request.POST)

    def make() -> None:
        facts = {name: form.cleaned_data[name] for name in rules.FACTS if name in form.cleaned_data}
        rules.make(by=request.actor, **facts, **form.confirmed())

    return redirect(LIST) if _did(form, make) else render(request, "devices/rule.html", _facts(form), status=400)


@require_safe
@requires(Scope.DEVICES_READ)
def detail(request: PageRequest, rule_id: int) -> HttpResponse:
    """A rule, what it would have matched, and the form to change it for those who may."""
    rule = rules.find(rule_id)
    facts = _facts(RuleForm(initial=said(rule)), rule, rules_preview.preview(rule))
    return render(request, "devices/rule.html", facts)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def change(request: PageRequest, rule_id: int) -> HttpResponse:
    rule = rules.find(rule_id)
    form = RuleForm(request.POST, initial=said(rule))

    def change() -> None:
        seen = form.cleaned_data["seen"] or 0
        rules.change(rule, by=request.actor, seen=seen, **form.changed(), **form.confirmed())

    if _did(form, change):
        return redirect(LIST)
    return render(request, "devices/rule.html", _facts(form, rule), status=400)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def preview(request: PageRequest, rule_id: int | None = None) -> HttpResponse:
    """What the form would have matched as it is filled in; nothing is saved."""
    matched = rules_preview.preview(unsaved(ConditionsForm(request.POST)))
    if request.htmx:
        return render(request, "devices/_rule_preview.html", {"preview": matched})
    rule = rules.find(rule_id) if rule_id else None
    return render(request, "devices/rule.html", _facts(RuleForm(initial=_first_of_each(request.POST)), rule, matched))


@require_POST
@requires(Scope.DEVICES_ADMIT)
def enable(request: PageRequest, rule_id: int) -> HttpResponse:
    rule = rules.find(rule_id)
    rules.enable(rule, by=request.actor, **read(SeenForm(request.POST)))
    return _show(request, rule)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def disable(request: PageRequest, rule_id: int) -> HttpResponse:
    rule = rules.find(rule_id)
    rules.disable(rule, by=request.actor, **read(SeenForm(request.POST)))
    return _show(request, rule)


@require_POST
@requires(Scope.DEVICES_ADMIT)
def delete(request: PageRequest, rule_id: int) -> HttpResponse:
    rules.delete(rules.find(rule_id), by=request.actor, **read(SeenForm(request.POST)))
    return redirect(LIST)


def _did(form: RuleForm, verb: Callable[[], None]) -> bool:
    """Whether the form could be carried out; if not, it says what is wrong beside each field."""
    if not form.is_valid():
        return False
    try:
        verb()
    except (Invalid, rules.NameTaken) as unfit:
        field = next(iter(unfit.invalid or {"name": ()}))
        form.add_error(field if field in form.fields else None, str(unfit))
        return False
    return True


def _show(request: PageRequest, rule: EnrolmentRule) -> HttpResponse:
    """The row of the rule as it is now; without htmx the list."""
    shown = Shown(rule, known_cas.names().get(rule.ca, ""), enrolment.standing(rule, timezone.now()))
    return fragment(request, "devices/_rule.html", {"shown": shown, "changed": True}, otherwise=LIST)


def _facts(
    form: RuleForm, rule: EnrolmentRule | None = None, preview: rules_preview.Preview | None = None
) -> dict[str, Any]:
    cas = known_cas.known()
    facts: dict[str, Any] = {"form": form, "cas": cas, "most": rules.MOST_DEVICES, "preview": preview}
    chosen = form["ca"].value() or ""
    facts["unknown_ca"] = chosen if chosen not in [ca.fingerprint for ca in cas] else ""
    if rule is not None:
        names = {ca.fingerprint: ca.name for ca in cas}
        facts["shown"] = Shown(rule, names.get(rule.ca, ""), enrolment.standing(rule, timezone.now()))
    return facts


def _first_of_each(sent: QueryDict) -> dict[str, Any]:
    return {name: sent.get(name, "") for name in RuleForm.base_fields if name in sent}
