"""What a person says about a webhook: whom to tell of what, why it is switched off, and what to send again."""

from typing import Any

from django import forms
from django.http import QueryDict

from portal.models import Webhook
from portal.topics import Topic
from portal.whole_number_field import WholeNumberField

ABOUT = {
    "device": "devices",
    "key_change": "keys",
    "enrolment_rule": "enrolment rules",
    "shutdown": "shutdowns",
    "token": "API tokens",
    "app": "apps",
    "tenant_grant": "tenant grants",
    "credential": "app credentials",
    "access_token": "access tokens",
    "installation": "installed apps",
    "person": "people",
    "tenant": "tenants",
    "certificate": "certificates",
    "route": "routes",
    "gateway_user": "gateway users",
    "node": "gateway nodes",
    "webhook": "webhooks",
}
DAYS = (("1", "of the last day"), ("7", "of the last 7 days"), ("30", "of the last 30 days"))


class WebhookForm(forms.Form):
    """Name, address and topics; `seen` is the revision that the person looked at when they change one."""

    name = forms.CharField(max_length=64, error_messages={"required": "Say who listens there."})
    url = forms.CharField(max_length=500, error_messages={"required": "Say where messages go."})
    topics = forms.MultipleChoiceField(choices=Topic.choices, error_messages={"required": "Choose at least one topic."})
    seen = WholeNumberField(min_value=1, required=False)

    def __init__(self, sent: QueryDict | None = None, *, webhook: Webhook | None = None) -> None:
        present = {"name": webhook.name, "url": webhook.url} if webhook else {}
        super().__init__(sent, initial=present)
        self.checked = sent.getlist("topics") if sent is not None else webhook.topics if webhook else []

    def chosen(self) -> list[tuple[str, list[tuple[Topic, bool]]]]:
        """The topics by what they are about, each with whether its box is checked."""
        groups: dict[str, list[tuple[Topic, bool]]] = {}
        for topic in Topic:
            groups.setdefault(ABOUT[topic.partition(".")[0]], []).append((topic, topic in self.checked))
        return list(groups.items())

    def wanted(self) -> dict[str, Any]:
        return {name: self.cleaned_data[name] for name in ("name", "url", "topics")}


class ReasonForm(forms.Form):
    """Why, and which revision the person looked at."""

    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1, required=False)


class ReplayForm(forms.Form):
    """How far back failed deliveries are sent again."""

    days = forms.TypedChoiceField(choices=DAYS, coerce=int)
