"""Where the pages about apps, their credentials and their installations are."""

from typing import Any

from django.urls import path, re_path

from portal import tenants
from tokens import apps_pages, credential_pages, installation_pages, installing
from tokens.registration import NAME, VERSION

APP = rf"(?P<app>{NAME})"
ONE_VERSION = rf"{APP}/versions/(?P<version>{VERSION})"
CREDENTIAL = r"credentials/(?P<credential_id>[a-z0-9]{12})"
INSTALLATION = rf"{APP}/installations/(?P<installation_id>{installing.ID})"

VERBS = ("rotate", "end_overlap", "cancel_rotation", "disable", "enable", "revoke", "delete")


def _verbs(where: str, pages: Any, noun: str, *names: str) -> list[Any]:
    """One address for each verb about what holds secrets."""
    return [
        re_path(rf"^{where}/{name.replace('_', '-')}/$", getattr(pages, name), name=f"{noun}_{name}") for name in names
    ]


app_name = "apps"
urlpatterns = [
    path("", apps_pages.index, name="list"),
    # Longer than the address of an app, whose name may be any word.
    path("new/register/", apps_pages.register, name="register"),
    re_path(rf"^{APP}/$", apps_pages.detail, name="detail"),
    re_path(rf"^{APP}/add-version/$", apps_pages.add_version, name="add_version"),
    re_path(rf"^{APP}/deregister/$", apps_pages.deregister, name="deregister"),
    re_path(rf"^{APP}/install/$", installation_pages.install, name="install"),
    re_path(rf"^{ONE_VERSION}/$", apps_pages.version, name="version"),
    re_path(rf"^{ONE_VERSION}/transfer/$", apps_pages.transfer, name="transfer"),
    re_path(rf"^{ONE_VERSION}/deregister/$", apps_pages.deregister_version, name="deregister_version"),
    re_path(rf"^{ONE_VERSION}/grants/$", apps_pages.give_grant, name="give_grant"),
    re_path(
        rf"^{ONE_VERSION}/grants/(?P<tenant>{tenants.NAME})/withdraw/$",
        apps_pages.withdraw_grant,
        name="withdraw_grant",
    ),
    re_path(rf"^{ONE_VERSION}/issue/$", credential_pages.issue, name="issue"),
    re_path(rf"^{CREDENTIAL}/$", credential_pages.detail, name="credential"),
    re_path(rf"^{CREDENTIAL}/rotation/$", credential_pages.rotation, name="credential_rotation"),
    *_verbs(CREDENTIAL, credential_pages, "credential", *VERBS, "hand_over"),
    re_path(rf"^{INSTALLATION}/$", installation_pages.detail, name="installation"),
    re_path(rf"^{INSTALLATION}/rotation/$", installation_pages.rotation, name="installation_rotation"),
    *_verbs(INSTALLATION, installation_pages, "installation", *VERBS, "change_version"),
]
