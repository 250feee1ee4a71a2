"""The settings of an installation, and beside ours the peer that is measured against.

Nothing here has to outlive a power cut: how quick the disk is says nothing about us or the peer.
"""

from portal.settings import *  # noqa: F403
from portal.settings import DATABASES, INSTALLED_APPS, ON_SERVER

INSTALLED_APPS = [*INSTALLED_APPS, "rest_framework.authtoken"]
if not ON_SERVER:
    options = DATABASES["default"]["OPTIONS"]
    options["init_command"] = f"{options['init_command']} PRAGMA synchronous = OFF;"
