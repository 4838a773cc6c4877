"""Our GraphQL documents: one file an operation, named after it. The app sends the platform nothing else."""

from __future__ import annotations

from functools import cache
from importlib.resources import files


@cache
def _texts() -> dict[str, str]:
    folder = files(__package__).joinpath("graphql")
    return {
        entry.name.removesuffix(".graphql"): _without_comments(entry.read_text())
        for entry in folder.iterdir()
        if entry.name.endswith(".graphql")
    }


def _without_comments(text: str) -> str:
    return "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#")) + "\n"


def names() -> frozenset[str]:
    """The operations we know."""
    return frozenset(_texts())


def document(name: str) -> str:
    """The text of an operation. Raises KeyError for one we don't have."""
    return _texts()[name]


def is_mutation(name: str) -> bool:
    """Whether sending the operation twice may do something twice."""
    return document(name).startswith("mutation")


def bulk_query(name: str) -> str:
    """The inner text of a bulk operation: the document without its `query Name`, as the platform wants it."""
    head, brace, body = document(name).partition("{")
    if "$" in head or not head.startswith("query Bulk"):
        raise ValueError(f"{name} is no inner query of a bulk operation.")
    return brace + body
