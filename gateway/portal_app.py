"""The portal as the app server's workers load it: each ends with the process that started it."""

from gateway import lifeline
from portal.wsgi import application

__all__ = ["application"]

lifeline.end_with_parent()
