"""Operators' accounts: made with `manage.py createsuperuser`, never by signing up, useless without a second factor."""

from __future__ import annotations

from typing import Any

from allauth.account import app_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.authentication import get_authentication_records
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.signals import authenticator_added, authenticator_used
from django.contrib.auth.models import AbstractBaseUser
from django.dispatch import receiver
from django.http import HttpRequest
from django.urls import reverse

from retention_app import clock
from retention_app.fields import fernet

_PROVEN = "second_factor_of"  # in the session: whose second factor it has seen


class OperatorAccounts(DefaultAccountAdapter):
    """No sign-up; who has just signed in isn't asked for the password again."""

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        records = get_authentication_records(self.request, self.request.user)
        age = clock.system_now().timestamp() - max((record["at"] for record in records), default=0)
        return not 0 <= age < app_settings.REAUTHENTICATION_TIMEOUT

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("mfa_index")


class SecondFactors(DefaultMFAAdapter):
    """The keys of authenticator apps and recovery codes are encrypted at rest."""

    def encrypt(self, text: str) -> str:
        return fernet().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        return fernet().decrypt(encrypted_text.encode()).decode()


@receiver([authenticator_added, authenticator_used])
def second_factor_seen(request: HttpRequest, user: AbstractBaseUser, **kwargs: Any) -> None:
    request.session[_PROVEN] = user.pk


def second_factor_proven(request: HttpRequest) -> bool:
    """Whether this very session has shown the second factor of its user: another one that was open before the factor
    was set up has not."""
    return bool(request.session.get(_PROVEN) == request.user.pk)
