"""Gateway users: accounts that log in with a generated password, and what a login gave them."""

import uuid
from typing import ClassVar

from django.db import models
from django.utils import timezone

from tokens.models.texts import Texts


class UserPassAccount(models.Model):
    """A gateway user: no portal login. `subject` is what its access tokens name, another one when it is made again.

    `generation` counts the passwords; `digest` is that of the present one under a pepper of the ring. `token_ttl_s` is
    how long a login lasts, `jwt_ttl_s` how long an access token.
    """

    username = models.CharField(max_length=64, unique=True)
    subject = models.UUIDField(unique=True, default=uuid.uuid4)
    digest = models.CharField(max_length=64, unique=True)
    pepper = models.CharField(max_length=8)
    generation = models.PositiveIntegerField(default=1)
    token_ttl_s = models.PositiveIntegerField(default=3600)
    jwt_ttl_s = models.PositiveIntegerField(default=3600)
    audience = models.CharField(max_length=200, default="edgex")
    scopes = Texts(default=list)
    created_at = models.DateTimeField(default=timezone.now)
    changed_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True)
    last_used_from = models.CharField(max_length=45, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(token_ttl_s__gte=60, token_ttl_s__lte=86_400)
                & models.Q(jwt_ttl_s__gte=60, jwt_ttl_s__lte=86_400),
                name="userpass_lives_are_bounded",
            ),
        ]

    def __str__(self) -> str:
        return self.username


class UserPassLogin(models.Model):
    """A client token that a login gave; it buys access tokens until its lease ends or the password is another."""

    id = models.CharField(primary_key=True, max_length=12)
    account = models.ForeignKey(UserPassAccount, models.CASCADE, related_name="logins")
    generation = models.PositiveIntegerField()
    digest = models.CharField(max_length=64, unique=True)
    pepper = models.CharField(max_length=8)
    address = models.CharField(max_length=45, blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField()

    class Meta:
        constraints: ClassVar = [
            models.CheckConstraint(
                condition=models.Q(expires_at__gt=models.F("created_at")), name="login_ends_after_it_begins"
            ),
        ]
        indexes: ClassVar = [models.Index(fields=["expires_at"], name="login_by_end")]

    def __str__(self) -> str:
        return f"{self.account} {self.id}"
