"""What a person says about a route of the gateway, why it is switched or deleted, and which request is tried."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from django import forms
from django.forms import BoundField
from django.http import QueryDict

from devices import keys
from gateway import route_fields, route_verdict, routes, target_cas
from gateway.models import HostHeader, Route
from gateway.routes_serializers import CA_HELP, HEALTH_HELP, PREFIX_HELP, TARGET_HELP
from portal.whole_number_field import WholeNumberField

NO_NUMBER = dict.fromkeys(("invalid", "required"), "Write a whole number.")
SEEN = 2**31 - 1
# Label and help of each field; the numbers have their bounds from the rule.
WORDS: Final = {
    "prefix": ("Prefix", PREFIX_HELP),
    "target": ("Target", f"{TARGET_HELP} The service is asked without the prefix."),
    "scope": ("Scope", "What a token must hold, or gateway:*. Empty: gateway: and the prefix in small letters."),
    "methods": ("Methods", "Which methods reach the service; any other is refused."),
    "is_enabled": ("Serve it at once", "Else it is answered as a path that nobody knows until it is enabled."),
    "timeout_s": ("Time to answer", "How long the service may take."),
    "connect_timeout_s": ("Time to connect", "How long the door waits for a connection."),
    "retries": ("Retries", "How often it is tried again while the service has certainly not seen the request."),
    "body_limit": ("Largest body", "What is larger is refused; 1,048,576 bytes are 1 MiB."),
    "rate_per_minute": ("Rate per minute", "How many requests each caller may send in a minute, counted by each node."),
    "burst": ("Burst", "How many of them may come at once."),
    "health_path": ("Health path", HEALTH_HELP),
    "host_header": ("Host header", "Which name the service hears in Host."),
    "forward_token": ("Pass the token on", "Only to a service that judges it again; else the service never sees it."),
    "target_ca": ("CAs of the service", CA_HELP),
    "websocket": ("Serve WebSockets", "The token is judged once, when the socket is opened."),
    "websocket_max_s": (
        "Life of a socket",
        "After so long it is closed. An open one outlives a revocation of its token by this time at most.",
    ),
    "cors_origins": (
        "Origins of web pages",
        "Pages that may call it from a browser, one a line, such as https://app.example. None: none may.",
    ),
    "cors_credentials": ("With credentials", "Such a page may also send what the browser keeps, such as cookies."),
}
SECTIONS: Final = (
    ("", ("prefix", "target", "methods", "scope", "is_enabled")),
    ("Time, size and rate", tuple(name for name in route_fields.BOUNDS if name != "websocket_max_s")),
    ("The service behind it", ("health_path", "host_header", "forward_token", "target_ca")),
    ("Browsers and WebSockets", ("cors_origins", "cors_credentials", "websocket", "websocket_max_s")),
)


class LinesField(forms.CharField):
    """Words, one a line or with commas between them."""

    def to_python(self, value: Any) -> Any:
        return value.replace(",", " ").split() if isinstance(value, str) else value or []

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value


class PemField(forms.CharField):
    """Text with plain ends of lines, whatever the browser sends."""

    def to_python(self, value: Any) -> Any:
        return (super().to_python(value) or "").replace("\r\n", "\n")


@dataclass(frozen=True)
class Section:
    """A part of the form; without a title it always stands open."""

    title: str
    fields: list[BoundField]
    is_open: bool


class RouteForm(forms.Form):
    """A whole route; `seen` is the revision that the person looked at when they change one.

    Which blanks are dropped is left to the rule, so that REST says the same.
    """

    # The field takes nothing from the prefix of a form, which is another thing.
    prefix = forms.CharField(  # type: ignore[assignment]
        max_length=257, strip=False, error_messages={"required": "Say under which path it is found."}
    )
    target = forms.CharField(
        max_length=500, strip=False, error_messages={"required": "Say which service is behind it."}
    )
    scope = forms.CharField(max_length=263, strip=False, required=False)
    methods = forms.MultipleChoiceField(
        choices=[(each, each) for each in route_fields.METHODS],
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": "Choose at least one method."},
    )
    is_enabled = forms.BooleanField(required=False)
    health_path = forms.CharField(max_length=500, strip=False, required=False)
    host_header = forms.ChoiceField(choices=HostHeader.choices)
    forward_token = forms.BooleanField(required=False)
    target_ca = PemField(max_length=2 * target_cas.MAX_BYTES, required=False, widget=forms.Textarea)
    websocket = forms.BooleanField(required=False)
    cors_origins = LinesField(required=False, widget=forms.Textarea)
    cors_credentials = forms.BooleanField(required=False)
    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1, max_value=SEEN, required=False)

    def __init__(self, sent: QueryDict | None = None, *, route: Route | None = None) -> None:
        super().__init__(sent, initial=said(route or Route(methods=list(route_fields.METHODS))))
        self.route = route
        for name, (least, most, unit) in route_fields.BOUNDS.items():
            self.fields[name] = WholeNumberField(
                error_messages=NO_NUMBER, widget=forms.NumberInput({"min": least, "max": most})
            )
            self.fields[name].help_text = f"{WORDS[name][1]} {least:,} to {most:,} {unit}."
        for name, (label, help_text) in WORDS.items():
            self.fields[name].label = label
            self.fields[name].help_text = self.fields[name].help_text or help_text
        if route is not None:
            del self.fields["is_enabled"]  # That has a button of its own.

    def sections(self) -> Iterator[Section]:
        """The parts in their order; those that are wrong, or say something unusual, stand open."""
        usual = said(Route(methods=list(route_fields.METHODS)))
        for title, names in SECTIONS:
            fields = [self[name] for name in names if name in self.fields]
            said_otherwise = any(self.initial[field.name] != usual[field.name] for field in fields)
            yield Section(title, fields, said_otherwise or any(field.errors for field in fields))

    def wanted(self) -> dict[str, Any]:
        """The facts as the rule takes them; of an existing route those that the person has changed."""
        facts = {name: self.cleaned_data[name] for name in routes.FACTS if name in self.fields}
        if self.route is not None:
            facts = {name: value for name, value in facts.items() if name in self.changed_data}
        if not facts.get("scope", "-").strip():
            del facts["scope"]
            if self.route is not None:
                facts["scope"] = route_fields.scope_for(self.cleaned_data["prefix"].strip(" \t/"))
        return facts

    def forget_key(self) -> None:
        """A private key that was pasted by mistake is not shown again."""
        if keys.is_private(self.data.get("target_ca", "")):
            self.data = self.data.copy()  # type: ignore[attr-defined]
            self.data["target_ca"] = ""  # type: ignore[index]


class ReasonForm(forms.Form):
    """Why, and the revision that was seen."""

    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1, max_value=SEEN, required=False)


class DeletionForm(ReasonForm):
    """The prefix, typed, so that no route goes by mistake."""

    typed = forms.CharField(max_length=257, required=False)

    def __init__(self, sent: QueryDict | None = None, *, prefix: str) -> None:
        super().__init__(sent)
        self.prefix_to_type = prefix

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != self.prefix_to_type:
            raise forms.ValidationError(f"Type {self.prefix_to_type} to confirm that it goes; nothing was changed.")
        return typed


class TryForm(forms.Form):
    """A request that is judged and not sent. The token is judged, and never shown again."""

    method = forms.ChoiceField(choices=[(each, each) for each in route_fields.METHODS])
    path = forms.CharField(
        max_length=route_verdict.LONGEST_PATH, error_messages={"required": "Write a path, such as /core-data/."}
    )
    token = forms.CharField(max_length=route_verdict.LONGEST_TOKEN, required=False)

    def __init__(self, sent: QueryDict | None = None, *, path: str = "", method: str = "GET") -> None:
        super().__init__(sent, initial={"path": path, "method": method})


def said(route: Route) -> dict[str, Any]:
    """What the form of a route says."""
    return {name: getattr(route, name) for name in routes.FACTS} | {"target_ca": route.target_ca.strip()}
