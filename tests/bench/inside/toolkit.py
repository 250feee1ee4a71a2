"""The peer of our token endpoint: a Django with django-oauth-toolkit alone, its settings, URLs and WSGI application.

`python -m tests.bench.inside.toolkit` makes its database and one client, that of `toolkit_client`.
GATEHOUSE_BENCH_FOLDER says where; GATEHOUSE_BENCH_FAST_HASHER takes the quickest hasher that Django has.
"""

import os
import sys
from pathlib import Path

from django import setup
from django.conf import settings
from django.core.management import call_command
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, HttpResponse
from django.urls import include, path

from tests.bench.inside.toolkit_client import ID, SECRET

if not settings.configured:
    fast = {"PASSWORD_HASHERS": ["django.contrib.auth.hashers.MD5PasswordHasher"]}
    settings.configure(
        SECRET_KEY="for-the-benchmarks-alone",
        ROOT_URLCONF="tests.bench.inside.toolkit",
        ALLOWED_HOSTS=["*"],
        USE_TZ=True,
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "oauth2_provider"],
        MIDDLEWARE=["django.middleware.security.SecurityMiddleware", "django.middleware.common.CommonMiddleware"],
        OAUTH2_PROVIDER={"SCOPES": {"users": "People", "devices": "Devices"}},
        DATABASES={
            "default": {
                "ENGINE": "django.db.backends.sqlite3",
                "NAME": str(Path(os.environ["GATEHOUSE_BENCH_FOLDER"]) / "toolkit.sqlite3"),
                "OPTIONS": {
                    "timeout": 20,
                    "transaction_mode": "IMMEDIATE",
                    "init_command": "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;",
                },
            }
        },
        **(fast if os.environ.get("GATEHOUSE_BENCH_FAST_HASHER") else {}),
    )
    setup()


def alive(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


urlpatterns = [path("alive", alive), path("o/", include("oauth2_provider.urls", namespace="oauth2_provider"))]
application = get_wsgi_application()


def prepare() -> None:
    from oauth2_provider.models import Application  # Only now is Django set up.

    call_command("migrate", verbosity=0)
    Application.objects.create(
        client_id=ID,
        client_secret=SECRET,
        client_type=Application.CLIENT_CONFIDENTIAL,
        authorization_grant_type=Application.GRANT_CLIENT_CREDENTIALS,
    )


if __name__ == "__main__":
    prepare()
    sys.exit(0)
