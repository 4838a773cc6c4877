"""Model fields of our own: text encrypted at rest."""

from __future__ import annotations

from functools import cache
from typing import Any

from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.db import models


@cache
def _fernet(keys: tuple[str, ...]) -> MultiFernet:
    return MultiFernet([Fernet(key) for key in keys])


def fernet() -> MultiFernet:
    """Encrypts with the first of `FIELD_ENCRYPTION_KEYS`, decrypts with any."""
    return _fernet(tuple(settings.FIELD_ENCRYPTION_KEYS))


class EncryptedTextField(models.TextField):  # type: ignore[type-arg]
    """Text stored as a Fernet token. Can't be searched. Raises `InvalidToken` when no key fits."""

    def get_prep_value(self, value: Any) -> Any:
        text = super().get_prep_value(value)
        return text if not text else fernet().encrypt(text.encode()).decode()

    def from_db_value(self, value: str | None, expression: Any, connection: Any) -> str | None:
        return value if not value else fernet().decrypt(value.encode()).decode()
