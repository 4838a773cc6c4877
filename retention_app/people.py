"""How those who decided something are called where staff read it. Shoppers never do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from django.utils.translation import gettext as _

from retention_app.api.keys import api_key_id
from retention_app.models import ApiKey, Role, StaffMember


def person_name(person: StaffMember) -> str:
    """What a person is called; their number in the platform while it hasn't shared the name."""
    return person.name or unnamed(person.actor)


def unnamed(actor: str) -> str:
    return _("somebody whose name isn't shared yet (%(id)s)") % {"id": actor}


def names_of(actors: Iterable[str]) -> Mapping[str, str]:
    """The names of people and programs by what facts and the audit say who decided. Two queries at most, one unless
    programs are among them."""
    wanted = {actor for actor in actors if actor}
    keys = {key_id: actor for actor in wanted if (key_id := api_key_id(actor))}
    names = {actor: unnamed(actor) for actor in wanted}
    if people := wanted - set(keys.values()):
        names |= {person.actor: person_name(person) for person in StaffMember.objects.filter(actor__in=people)}
    if keys:
        names |= {
            keys[key.id]: _("the program %(name)s") % {"name": key.name} for key in ApiKey.objects.filter(id__in=keys)
        }
    return names


def owner_names() -> list[str]:
    """Who may change what others may do, as far as names are known."""
    owners = StaffMember.objects.filter(role=Role.OWNER).exclude(name="").order_by("id")
    return list(owners.values_list("name", flat=True))
