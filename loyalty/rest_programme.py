"""`/api/v1/programme…`: the shop's rules by key, those in force and all that were."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from loyalty.models import ProgrammeVersion
from loyalty.rest_scopes import PROGRAMME_READ
from loyalty.rest_serializers import VersionSerializer
from loyalty.rules.programme import completed
from loyalty.selectors import Publications, publications
from retention_app.api.paging import PageParameters, page, page_of, parameters
from retention_app.api.schema import reads
from retention_app.api.view import ApiView


class LiveProgramme(ApiView):
    scope = PROGRAMME_READ

    @reads("Programme", "programme_read", VersionSerializer, may_miss=True)
    def get(self, request: Request) -> Response:
        """Read the programme

        The version in force now. Nothing is here before the first is published.
        """
        published = publications(self.shop.id)
        if published.live is None:
            raise NotFound
        return Response(VersionSerializer(_version(published.live, published)).data)


class Versions(ApiView):
    scope = PROGRAMME_READ

    @reads("Programme", "programme_versions_list", page_of(VersionSerializer), query=[PageParameters])
    def get(self, request: Request) -> Response:
        """List the programme's versions

        All that were published, newest first.
        """
        asked, published = parameters(PageParameters, request), publications(self.shop.id)

        def before(limit: int, number: int | None) -> Sequence[ProgrammeVersion]:
            return [one for one in published.versions if number is None or one.number < number][:limit]

        def serialized(versions: Sequence[ProgrammeVersion]) -> Any:
            return VersionSerializer([_version(one, published) for one in versions], many=True).data

        return page(request, asked, before, lambda version: version.number, serialized)


def _version(version: ProgrammeVersion, published: Publications) -> dict[str, Any]:
    return {
        "number": version.number,
        "state": published.state(version) or "past",
        "effective_from": version.effective_from,
        "published_at": version.published_at,
        "note": version.note,
        "document": completed(version.document),
    }
