"""The scopes of Gatehouse. Each is declared here and nowhere else; none contains another."""

from django.db import models


class Scope(models.TextChoices):
    """One thing a person, a token or an app may be allowed to do; the label is what people read."""

    DEVICES_READ = "devices:read", "See devices and the denied list"
    DEVICES_ADMIT = "devices:admit", "Submit, preauthorize, accept and reject devices, decide key changes"
    DEVICES_UPDATE = "devices:update", "Change the configuration and attributes of devices"
    DEVICES_DELETE = "devices:delete", "Deny, restore and purge devices"
    DEVICES_ENROL = "devices:enrol", "Sign certificates for devices"
    SHUTDOWNS_READ = "shutdowns:read", "See shutdowns and how they go"
    SHUTDOWNS_REQUEST = "shutdowns:request", "Order, cancel and retry shutdowns"
    SHUTDOWNS_APPROVE = "shutdowns:approve", "Approve the shutdowns that others ordered"
    TOKENS_READ = "tokens:read", "See API tokens, never their secrets"
    TOKENS_MANAGE = "tokens:manage", "Create, rotate and revoke API tokens"
    TOKENS_INTROSPECT = "tokens:introspect", "Ask whether a token is live"
    APPS_READ = "apps:read", "See apps, versions and where they are installed"
    APPS_MANAGE = "apps:manage", "Register, transfer and remove apps"
    CREDENTIALS_READ = "credentials:read", "See app credentials, never their secrets"
    CREDENTIALS_MANAGE = "credentials:manage", "Issue, rotate and revoke app credentials"
    CREDENTIALS_ROTATE_OWN = "credentials:rotate-own", "Rotate the credential that asks"
    USERS_READ = "users:read", "See people, groups and tenants"
    USERS_MANAGE = "users:manage", "Create and deactivate people, give roles, manage tenants"
    GATEWAY_READ = "gateway:read", "See routes, certificates and gateway nodes"
    GATEWAY_MANAGE = "gateway:manage", "Change routes, certificates and gateway nodes"
    GATEWAY_ALL = "gateway:*", "Call every route of the gateway"
    AUDIT_READ = "audit:read", "Read the audit trail"
    WEBHOOKS_MANAGE = "webhooks:manage", "Manage webhooks and replay deliveries"
    METRICS_READ = "metrics:read", "Read the metrics"
