"""Tells the rotation of peppers what the gateway keeps under them."""

from typing import Any

from django.db.models import QuerySet

from gateway.models import GatewayNode
from tokens.pepper_rotation import kept


@kept("gateway nodes")
def nodes(pepper: str) -> "QuerySet[Any]":
    return GatewayNode.objects.filter(pepper=pepper)
