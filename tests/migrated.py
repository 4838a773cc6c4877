"""Databases with our tables, copied from one that was migrated: the same code makes the same tables.

What is copied is made once for each state of the code: a PostgreSQL database on the servers the environment names, a
SQLite file in `var/`.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import psycopg
from psycopg import sql

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "var" / "migrated"
APPS = ("config", "loyalty", "retention_app")
ROLES = ("DATABASE_URL", "DATABASE_OWNER_URL")


def postgresql_create(name: str) -> None:
    """Create a database of the owner's role with our tables."""
    template = f"migrated_{_state()}"
    with _alone(), _administrator() as admin:
        if not admin.execute("SELECT 1 FROM pg_database WHERE datname = %s", [template]).fetchone():
            unfinished = f"{template}_unfinished"
            postgresql_drop(unfinished)  # what a run that was killed left
            create = sql.SQL("CREATE DATABASE {} OWNER {}")
            admin.execute(create.format(sql.Identifier(unfinished), sql.Identifier(_owner())))
            _migrate(postgresql_urls(unfinished))
            rename = sql.SQL("ALTER DATABASE {} RENAME TO {}")
            admin.execute(rename.format(sql.Identifier(unfinished), sql.Identifier(template)))
        copy = sql.SQL("CREATE DATABASE {} OWNER {} TEMPLATE {}")
        admin.execute(copy.format(*map(sql.Identifier, (name, _owner(), template))))


def postgresql_drop(name: str) -> None:
    with _administrator() as admin:
        admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))


def postgresql_urls(name: str) -> dict[str, str]:
    """How the app's two roles reach a database, as its environment says it."""
    return {role: f"{os.environ[role].rsplit('/', 1)[0]}/{name}" for role in ROLES}


def sqlite_create(file: Path) -> None:
    """Create a SQLite database with our tables."""
    template = FOLDER / f"{_state()}.sqlite3"
    with _alone():
        if not template.exists():
            shutil.rmtree(FOLDER, ignore_errors=True)
            FOLDER.mkdir()
            unfinished = FOLDER / "unfinished.sqlite3"
            _migrate({"DATABASE_URL": sqlite_url(unfinished), "DATABASE_OWNER_URL": ""})
            unfinished.rename(template)
        shutil.copyfile(template, file)


def sqlite_url(file: Path) -> str:
    return f"sqlite:////{str(file).lstrip('/')}"


def _migrate(databases: Mapping[str, str]) -> None:
    subprocess.run(
        [sys.executable, "manage.py", "migrate", "--noinput", "--verbosity", "0"],
        cwd=ROOT,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings.test", **databases},
        check=True,
    )


def _state() -> str:
    """What the code is recognised by that makes tables: the product's, and the packages it names."""
    told = hashlib.blake2b((ROOT / "requirements.txt").read_bytes(), digest_size=8)
    for app in APPS:
        for file in sorted((ROOT / app).rglob("*.py")):
            told.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
    return told.hexdigest()


def _owner() -> str:
    """The role that owns the tables."""
    return str(psycopg.conninfo.conninfo_to_dict(os.environ["DATABASE_OWNER_URL"])["user"])


def _administrator() -> psycopg.Connection:
    return psycopg.connect(os.environ["TEST_DATABASE_ADMIN_URL"], autocommit=True)


@contextmanager
def _alone() -> Iterator[None]:
    """Nobody else makes what is copied meanwhile."""
    FOLDER.parent.mkdir(exist_ok=True)
    with FOLDER.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
