"""Every setting of Gatehouse. What may differ between installations is read from GATEHOUSE_*."""

import socket
from pathlib import Path

from django.core.exceptions import ImproperlyConfigured

from portal import environment, secret_files

ROOT = Path(__file__).resolve().parent.parent

# What may differ between installations

DATA_DIR = Path(environment.text("DATA_DIR", str(ROOT / "var"))).absolute()
RUN_DIR = DATA_DIR / "run"
DATABASES = {"default": environment.database("DATABASE_URL", DATA_DIR / "gatehouse.sqlite3")}
ON_SERVER = DATABASES["default"]["ENGINE"].endswith("postgresql")

BIND = environment.address("BIND", "0.0.0.0")  # noqa: S104  # The TLS doors are there for the network.
HTTP_PORT = environment.number("HTTP_PORT", 8000, least=1, most=65535)
TLS_PORT = environment.number("TLS_PORT", 8443, least=1, most=65535)
DEVICE_PORT = environment.number("DEVICE_PORT", 8444, least=1, most=65535)
if len({HTTP_PORT, TLS_PORT, DEVICE_PORT}) < 3:
    raise ImproperlyConfigured("GATEHOUSE_HTTP_PORT, _TLS_PORT and _DEVICE_PORT must be three different ports.")
PUBLIC_URL_SET = bool(environment.text("PUBLIC_URL"))
PUBLIC_URL = environment.url("PUBLIC_URL", f"https://localhost:{TLS_PORT}")
WEB_WORKERS = environment.number("WEB_WORKERS", 2, least=1, most=64)
ENVOY = environment.text("ENVOY")
# Hosts that share a database tell their Envoys apart by it.
NODE = environment.name("NODE", socket.gethostname() if ON_SERVER else "local")
LOG_FORMAT = environment.choice("LOG_FORMAT", ("text", "json"))
ADMIN_EMAILS = environment.mail_addresses("ADMIN_EMAILS")
MAIL_SERVER = environment.mail_server("MAIL_URL")
MAIL_FROM = environment.mail_address("MAIL_FROM", "gatehouse@localhost")
ENROLMENT = environment.choice("ENROLMENT", ("approve", "auto"))
ROUTE_TARGETS = environment.words("ROUTE_TARGETS", "private")
EDGEX_ADD_PROXY_ROUTE = environment.foreign("EDGEX_ADD_PROXY_ROUTE")
SHUTDOWN_APPROVAL_FROM = environment.number("SHUTDOWN_APPROVAL_FROM", 10, least=0, most=1_000_000)
SECOND_FACTOR_ROLES = environment.words("SECOND_FACTOR_ROLES")
TOKEN_MAX_DAYS = environment.number("TOKEN_MAX_DAYS", 365, least=1, most=3650)

SECRETS_DIR = DATA_DIR / "secrets"
SECRET_KEY = secret_files.secret("SECRET_KEY", SECRETS_DIR, secret_files.random_text, demanded=ON_SERVER)
MASTER_KEY = secret_files.master_key(
    secret_files.secret("MASTER_KEY", SECRETS_DIR, secret_files.random_key, demanded=ON_SERVER)
)
PEPPERS = secret_files.pepper_ring(
    secret_files.secret("PEPPERS", SECRETS_DIR, secret_files.first_pepper, demanded=ON_SERVER)
)
# Where we keep them ourselves, they are read anew when they have rotated.
PEPPERS_FILE = None if environment.text("PEPPERS") else SECRETS_DIR / "peppers"

# Django

DEBUG = False
ALLOWED_HOSTS = ["*"]  # People come by any name or address of the machine; links are built from PUBLIC_URL alone.
INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "django_htmx",
    "portal.second_factor_apps.AccountsConfig",
    "allauth.mfa",
    "portal",
    "devices",
    "tokens",
    "gateway",
]
MIDDLEWARE = [
    "portal.request_id.RequestIdMiddleware",
    "portal.errors.MethodMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "portal.tally.TallyMiddleware",
    "gateway.dialects.guessing.GuessingMiddleware",
    "gateway.device_door.DeviceDoorMiddleware",
    "portal.browser.ContentSecurityMiddleware",
    "portal.browser.CookieMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "portal.pages.LoginMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "portal.errors.NotServedMiddleware",
    "portal.pages.RefusalMiddleware",
]
ROOT_URLCONF = "portal.urls"
DEVICE_URLCONF = "gateway.device_urls"  # Of the device door; `gateway.device_door` looks there.
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [ROOT / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
            ]
        },
    }
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
USE_TZ = True
TIME_ZONE = "UTC"
USE_I18N = False
DATA_UPLOAD_MAX_MEMORY_SIZE = 1024 * 1024 + 64 * 1024  # As much as the door lets in; every face judges its own limit.

# People and their sessions

AUTH_USER_MODEL = "portal.User"
LOGIN_URL = "/portal/login/"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.Argon2PasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
    {"NAME": "django.contrib.auth.password_validation.NumericPasswordValidator"},
]
# Of allauth we take how second factors are kept and checked; no page of it is served.
MFA_ADAPTER = "portal.second_factor_adapter.Adapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_TOTP_TOLERANCE = 1  # Half a minute to either side, for clocks that do not agree.
MFA_RECOVERY_CODE_COUNT, MFA_RECOVERY_CODE_DIGITS = 10, 12
SESSION_ENGINE = "portal.session_store"
SESSION_COOKIE_NAME = "gatehouse-session"
SESSION_COOKIE_AGE = 30 * 60
SESSION_EXPIRE_AT_BROWSER_CLOSE = True
SESSION_COOKIE_SAMESITE = "Lax"
CSRF_COOKIE_NAME = "gatehouse-csrf"
CSRF_COOKIE_AGE = None
CSRF_COOKIE_HTTPONLY = True
CSRF_FAILURE_VIEW = "portal.errors.csrf_failure"
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"

# Files: ours, and those of installed packages; no CDN

STATIC_URL = "/static/"
STATICFILES_DIRS = [ROOT / "static"]
WHITENOISE_USE_FINDERS = True
WHITENOISE_MAX_AGE = 3600

# REST

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["tokens.authentication.BearerAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["portal.access.HasScope"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_PARSER_CLASSES": ["portal.bodies.StrictJsonParser"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "portal.bodies.AlwaysJson",
    "DEFAULT_PAGINATION_CLASS": "portal.paging.Paging",
    "DEFAULT_SCHEMA_CLASS": "portal.openapi.ScopedSchema",
    "EXCEPTION_HANDLER": "portal.failures.refuse",
    "DEFAULT_METADATA_CLASS": None,
    "UNAUTHENTICATED_USER": None,
    "URL_FORMAT_OVERRIDE": None,
}
# Of simplejwt we take the token class and the authentication; our ring of keys signs and verifies.
SIMPLE_JWT = {"ALGORITHM": "RS256", "TOKEN_TYPE_CLAIM": None, "USER_ID_CLAIM": "sub"}
SPECTACULAR_SETTINGS = {
    "TITLE": "Gatehouse",
    "DESCRIPTION": "Admission, credentials, gateway and shutdowns of an edge fleet.",
    "VERSION": "1",
    "OAS_VERSION": "3.1.0",
    "SERVE_INCLUDE_SCHEMA": False,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "PREPROCESSING_HOOKS": ["portal.openapi.one_of_each"],
    "ENUM_NAME_OVERRIDES": {
        "DeliveryStateEnum": "portal.models.DeliveryState",
        "EdgeJobStateEnum": "gateway.dialects.industrial_edge_shutdown_shapes.STATES",
        "KeyChangeStateEnum": "devices.models.KeyChange",
        "ShutdownStateEnum": "devices.models.JobState",
        "ShutdownTargetStateEnum": "devices.models.TargetState",
        "SecretStateEnum": "tokens.held_serializers.SECRET_STATES",
        "TokenStateEnum": "tokens.models.TokenState",
    },
    "SERVE_PERMISSIONS": [],
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
}

# Logs: to stderr, results of commands alone go to stdout

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "request_id": {"()": "portal.logs.RequestIdFilter"},
        "client_fault": {"()": "portal.logs.ClientFaultFilter"},
    },
    "formatters": {
        "text": {"()": "portal.logs.TextFormatter"},
        "json": {"()": "portal.logs.JsonFormatter"},
    },
    "handlers": {
        "stderr": {
            "class": "logging.StreamHandler",
            "formatter": LOG_FORMAT,
            "filters": ["request_id", "client_fault"],
        },
    },
    "root": {"handlers": ["stderr"], "level": "WARNING"},
    "loggers": {
        "gatehouse": {"level": "INFO"},
        "django": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
        "django.request": {"level": "ERROR"},
        # Who sends a host name that is none is told so; a line for each would let anybody fill the log.
        "django.security.DisallowedHost": {"level": "CRITICAL"},
    },
}
