"""What is remembered about credentials: digests, never secrets; and the rings of keys."""

from tokens.models.api_token import ApiToken
from tokens.models.app import App, AppVersion, Stage, TenantGrant
from tokens.models.holders import AppCredential, AppTokenSecret, CredentialSecret, HeldSecret, Holder, InstalledApp
from tokens.models.keys import KeyState, Pepper, SigningKey
from tokens.models.revocation import Named, Revocation
from tokens.models.states import Stated, TokenState, state_at
from tokens.models.texts import Texts, texts
from tokens.models.userpass import UserPassAccount, UserPassLogin

__all__ = [
    "ApiToken",
    "App",
    "AppCredential",
    "AppTokenSecret",
    "AppVersion",
    "CredentialSecret",
    "HeldSecret",
    "Holder",
    "InstalledApp",
    "KeyState",
    "Named",
    "Pepper",
    "Revocation",
    "SigningKey",
    "Stage",
    "Stated",
    "TenantGrant",
    "Texts",
    "TokenState",
    "UserPassAccount",
    "UserPassLogin",
    "state_at",
    "texts",
]
