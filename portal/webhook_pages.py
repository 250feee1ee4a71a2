"""The pages about webhooks: who is told of what, how each does, and what was sent to it."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.http import HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST, require_safe
from django_htmx.http import reswap, retarget, trigger_client_event

from portal import backlog, deliveries, parameters, webhooks
from portal.access import requires
from portal.form_reading import read
from portal.keyset import Order, Place
from portal.models import Delivery, DeliveryState, Webhook
from portal.pages import PageRequest, fragment, onward
from portal.refusal import Invalid, Refusal
from portal.scopes import Scope
from portal.targets import TargetNotAllowed
from portal.topics import Topic
from portal.webhook_forms import DAYS, ReasonForm, ReplayForm, WebhookForm

PAGE = 50
LATEST_FIRST = Order("pk", descending=True)
BEFORE = parameters.Whole(name="before", description="", least=1, most=10**18, usual=0)


@require_safe
@requires(Scope.WEBHOOKS_MANAGE)
def index(request: PageRequest) -> HttpResponse:
    return render(request, "portal/webhooks.html", {"form": WebhookForm(), **_all()})


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def create(request: PageRequest) -> HttpResponse:
    """Make a webhook; its secret stands in this answer and nowhere else."""
    form = WebhookForm(request.POST)
    if not form.is_valid():
        return _again(request, form, 400)
    try:
        webhook, secret = webhooks.create(**form.wanted(), by=request.actor)
    except (Invalid, TargetNotAllowed, webhooks.NameTaken) as refused:
        _blame(form, refused)
        return _again(request, form, refused.status)
    context = {"webhook": webhook, "secret": secret, "created": True}
    if request.htmx:
        return trigger_client_event(render(request, "portal/_webhook_secret.html", context), "webhooks-changed")
    return render(request, "portal/webhooks.html", {**context, **_all()})


@require_safe
@requires(Scope.WEBHOOKS_MANAGE)
def detail(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    """The webhook and its log; `state` and `before` say which part of the log."""
    webhook = webhooks.find(webhook_id)
    return render(request, "portal/webhook.html", {**_facts(webhook), **_log(request, webhook)})


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def change(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = webhooks.find(webhook_id)
    form = WebhookForm(request.POST, webhook=webhook)
    if not form.is_valid():
        return _webhook(request, webhook, {"form": form, "changing": True}, 400)
    try:
        webhooks.change(webhook, by=request.actor, seen=form.cleaned_data["seen"], **form.wanted())
    except (Invalid, TargetNotAllowed, webhooks.NameTaken) as refused:
        _blame(form, refused)
        return _webhook(request, webhooks.find(webhook_id), {"form": form, "changing": True}, refused.status)
    return _show(request, webhook)


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def enable(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = webhooks.find(webhook_id)
    webhooks.enable(webhook, by=request.actor, **read(ReasonForm(request.POST)))
    return _show(request, webhook)


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def disable(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = webhooks.find(webhook_id)
    webhooks.disable(webhook, by=request.actor, **read(ReasonForm(request.POST)))
    return _show(request, webhook)


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def delete(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = webhooks.find(webhook_id)
    webhooks.delete(webhook, by=request.actor, **read(ReasonForm(request.POST)))
    return onward(request, "webhooks")


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def rotate(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    """Make another secret; it stands in this answer and nowhere else."""
    webhook = webhooks.find(webhook_id)
    secret = webhooks.rotate(webhook, by=request.actor, seen=read(ReasonForm(request.POST))["seen"])
    return _webhook(request, webhook, {"secret": secret})


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def test(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    """Send a test at once and show how it went."""
    webhook = webhooks.find(webhook_id)
    return _webhook(request, webhook, {"tested": deliveries.try_out(webhook, by=request.actor)})


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def replay_failed(request: PageRequest, webhook_id: UUID) -> HttpResponse:
    webhook = webhooks.find(webhook_id)
    since = timezone.now() - timedelta(days=read(ReplayForm(request.POST))["days"])
    return _webhook(request, webhook, {"replayed": deliveries.replay_failed(webhook, since, by=request.actor)})


@require_safe
@requires(Scope.WEBHOOKS_MANAGE)
def delivery(request: PageRequest, webhook_id: UUID, number: int) -> HttpResponse:
    """One delivery with its body, which is read only when somebody wants it."""
    webhook = webhooks.find(webhook_id)
    context = {"webhook": webhook, "delivery": deliveries.find(webhook, number)}
    return render(request, "portal/webhook_delivery.html", context)


@require_POST
@requires(Scope.WEBHOOKS_MANAGE)
def replay(request: PageRequest, webhook_id: UUID, number: int) -> HttpResponse:
    found = deliveries.find(webhooks.find(webhook_id), number)
    deliveries.replay(found, by=request.actor)
    context = {"webhook": webhooks.find(webhook_id), "delivery": found, "changed": True}
    return fragment(request, "portal/_delivery.html", context, otherwise=f"/portal/webhooks/{webhook_id}/")


def _show(request: PageRequest, webhook: Webhook) -> HttpResponse:
    """The webhook as it is now."""
    if request.htmx:
        return _webhook(request, webhook, {"changed": True})
    return redirect("webhook", webhook.pk)


def _webhook(request: PageRequest, webhook: Webhook, context: dict[str, Any], status: int = 200) -> HttpResponse:
    """The webhook in the answer to the POST itself, for what is shown this once."""
    webhook = webhooks.find(webhook.pk)
    whole = {**_facts(webhook), **context}
    if not request.htmx:
        return render(request, "portal/webhook.html", {**whole, **_log(request, webhook)}, status=status)
    answer = render(request, "portal/_webhook.html", whole, status=status)
    if status >= 400:
        return reswap(retarget(answer, "#webhook"), "outerHTML")
    return trigger_client_event(answer, "deliveries-changed")


def _again(request: PageRequest, form: WebhookForm, status: int) -> HttpResponse:
    """The form as it was filled in, with what is wrong beside each field."""
    if not request.htmx:
        return render(request, "portal/webhooks.html", {"form": form, **_all()}, status=status)
    answer = render(request, "portal/_webhook_form.html", {"form": form}, status=status)
    return reswap(retarget(answer, "#new-webhook"), "outerHTML")


def _blame(form: WebhookForm, refused: Refusal) -> None:
    """Say beside the field what the rule said."""
    field = next(iter(refused.invalid or {"name": ()}))
    form.add_error(field if field in form.fields else None, str(refused))


def _all() -> dict[str, Any]:
    return {"webhooks": list(Webhook.objects.order_by("name"))}


def _facts(webhook: Webhook) -> dict[str, Any]:
    known = dict(Topic.choices)
    return {
        "webhook": webhook,
        "topics": [(topic, known.get(topic, "")) for topic in webhook.topics],
        "form": WebhookForm(webhook=webhook),
        "failed": deliveries.log(webhook, DeliveryState.FAILED).exclude(topic="webhook.test").exists(),
        "days": DAYS,
        "most": f"{backlog.MOST:,}",
    }


def _log(request: PageRequest, webhook: Webhook) -> dict[str, Any]:
    """At most 50 deliveries, the latest first, and where the next page begins."""
    state = parameters.one_of(request.GET, "state", ["", *DeliveryState.values]) or ""
    sent = parameters.once(request.GET, "before")
    before = BEFORE.read(sent) if sent else None
    place = Place(before, before) if before else None
    found: list[Delivery] = LATEST_FIRST.rows(deliveries.log(webhook, state).defer("body"), place, PAGE + 1)
    older = found[PAGE - 1].pk if len(found) > PAGE else None
    return {
        "deliveries": found[:PAGE],
        "state": state,
        "states": DeliveryState,
        "older": older,
        "is_first": place is None,
    }
