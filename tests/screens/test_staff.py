"""Settings > Staff, limits and approvals: who may do how much, and who lets others go beyond it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from loyalty.models import Adjustment, AdjustmentRequest
from retention_app.models import AuditEntry, Customer, Shop, StaffMember
from retention_app.offers.codes import fixed_minor_max
from retention_app.rights import POINTS_MAX, points_limit
from retention_app.tenancy import shop_scope
from tests.conftest import make_staff
from tests.screens.conftest import sane, see
from tests.screens.test_members import member as member_fixture
from tests.screens.test_members import opened, profile
from tests.screens.test_pages import queries_of

member = member_fixture
People = dict[str, Client]


@pytest.fixture
def people(alpha: Shop, merchant: Callable[..., Client]) -> People:
    """Bruno of support, Carla who manages, Vera who looks, and Olivia who owns the store."""
    for actor, role, name in (("77", "support", "Bruno"), ("78", "manager", "Carla"), ("79", "viewer", "Vera")):
        make_staff(alpha, actor, role, name)
    actors = {"bruno": "77", "carla": "78", "vera": "79", "olivia": "42"}
    return {name: merchant(alpha, actor) for name, actor in actors.items()}


def text_of(client: Client, path: str) -> str:
    seen = see(client.get(path).content.decode())
    sane(seen)
    return seen.text


def person_path(shop: Shop, name: str) -> str:
    with shop_scope(shop.id):
        return f"/app/settings/staff/{StaffMember.objects.get(name=name).id}/"


def codes(shop: Shop) -> list[tuple[str, str]]:
    with shop_scope(shop.id):
        return list(AuditEntry.objects.order_by("id").values_list("code", "actor"))


# --- settings ---------------------------------------------------------------------------------------------------------


def test_staff_lists_people_with_role_and_limit(alpha: Shop, people: People) -> None:
    text = text_of(people["olivia"], "/app/settings/staff/")
    for said in (
        "Bruno Support up to 500 points at once · seen",
        "Carla Manager up to 5,000 points at once",
        "Vera Viewer",
    ):
        assert said in text
    assert "Olivia Owner Owner you" in text
    make_staff(alpha, "80", "support")
    assert "Name not shared yet (80)" in text_of(people["olivia"], "/app/settings/staff/")
    assert "4 people" not in text_of(people["olivia"], "/app/settings/")
    assert "5 people" in text_of(people["olivia"], "/app/settings/")


def test_the_page_costs_the_same_however_many_people(alpha: Shop, people: People) -> None:
    few = queries_of(people["olivia"], "/app/settings/staff/")
    for number in range(100, 120):
        make_staff(alpha, str(number), "support")
    assert queries_of(people["olivia"], "/app/settings/staff/") == few <= 4


def test_others_read_values_as_text_and_who_can_change_them(people: People) -> None:
    html = people["carla"].get("/app/settings/staff/").content.decode()
    text = see(html).text
    assert "Your role is Manager, so you can't change this. Olivia Owner can give you another role" in text
    assert "Support up to 500 points at once" in text
    assert "<select" not in html
    assert ">Change<" not in html


def test_a_role_and_a_limit_are_changed_and_written_down(alpha: Shop, people: People) -> None:
    path = person_path(alpha, "Bruno")
    assert 'value="support" checked' in people["olivia"].get(path).content.decode()
    answer = people["olivia"].post(path, {"role": "manager", "points_limit": "900"})
    assert (answer.status_code, answer["Location"]) == (303, "/app/settings/staff/")
    people["olivia"].post(path, {"role": "manager", "points_limit": "900"})  # the same says nothing new
    with shop_scope(alpha.id):
        (entry,) = AuditEntry.objects.all()
    assert entry.data["before"] == {"role": "support", "limit": None}
    assert entry.data["after"] == {"role": "manager", "limit": 900}
    assert "Bruno Manager up to 900 points at once" in text_of(people["olivia"], "/app/settings/staff/")


@pytest.mark.parametrize(
    ("filled", "said"),
    [
        ({"role": "king"}, "Role: Choose one."),
        ({"role": "support", "points_limit": "-5"}, "Enter a whole number up to 1,000,000."),
        ({"role": "support", "points_limit": "9999999"}, "Enter a whole number up to 1,000,000."),
    ],
)
def test_a_wrong_role_or_limit_is_said_at_its_field(
    alpha: Shop, people: People, filled: dict[str, str], said: str
) -> None:
    answer = people["olivia"].post(person_path(alpha, "Bruno"), filled)
    assert answer.status_code == 422
    assert said in see(answer.content.decode()).text
    assert codes(alpha) == []


def test_owners_stay(alpha: Shop, people: People, merchant: Callable[..., Client]) -> None:
    own = person_path(alpha, "Olivia Owner")
    refused = people["olivia"].post(own, {"role": "manager"})
    assert "Nobody changes their own role." in see(refused.content.decode()).text
    make_staff(alpha, "81", "owner", "Omar")
    omar = merchant(alpha, "81")
    assert (
        "Shopify says that this person owns the store" in see(omar.post(own, {"role": "viewer"}).content.decode()).text
    )
    make_staff(alpha, "42", "owner", "Olivia Owner", owns_account=False)
    assert omar.post(own, {"role": "manager"}).status_code == 303
    assert people["olivia"].post(person_path(alpha, "Omar"), {"role": "viewer"}).status_code == 403


def test_owners_have_no_limit_whatever_they_had_before(alpha: Shop, people: People) -> None:
    person = make_staff(alpha, "79", "owner", "Nina", points_limit=100)
    assert points_limit(person, alpha) == POINTS_MAX


def test_the_last_owner_stays(alpha: Shop) -> None:
    from retention_app.services.staff import RoleRefused, staff_change

    with shop_scope(alpha.id):
        StaffMember.objects.update(owns_account=False)
        with pytest.raises(RoleRefused) as refused:
            staff_change(person=StaffMember.objects.get(), role="manager", points_limit=None, actor="api:1")
    assert refused.value.code == "last_owner"


def test_rules_for_new_people_and_limits_of_roles(alpha: Shop, people: People, member: Customer) -> None:
    filled = {"role_new": "viewer", "limit_manager": "2000", "limit_support": "50"}
    filled |= {"code_manager": "40", "code_support": "10"}
    assert people["olivia"].post("/app/settings/staff/rules/", filled).status_code == 303
    alpha.refresh_from_db()
    assert (alpha.role_new, alpha.points_limits) == ("viewer", {"manager": 2000, "support": 50})
    assert alpha.code_limits == {"manager": 40, "support": 10}
    path = profile(member, "adjust/")
    answer = people["bruno"].post(path, {"key": opened(people["bruno"], path), "points": "51", "reason": "gift"})
    assert "Over your limit of 50 points." in see(answer.content.decode()).text
    for missing in ({"limit_support": ""}, {"code_support": ""}, {"code_manager": "0"}, {"code_manager": "101"}):
        wrong = people["olivia"].post("/app/settings/staff/rules/", {**filled, **missing})
        assert wrong.status_code == 422
    alpha.refresh_from_db()
    assert alpha.code_limits == {"manager": 40, "support": 10}
    text = text_of(people["olivia"], "/app/settings/audit/")
    assert "Rules for staff changed" in text
    before = "new people: Support, Manager up to 5,000, Support up to 500, codes of Manager up to 50%, codes of Support"
    assert f"{before} up to 25% → then new people: Viewer" in text


def test_codes_go_as_far_as_the_role_does(alpha: Shop, people: People, member: Customer) -> None:
    path = profile(member, "code/")

    def give(who: str, value: str, kind: str = "percentage") -> int:
        filled = {"kind": kind, "value": value, "days": "30", "key": opened(people[who], path)}
        return people[who].post(path, filled).status_code

    text = text_of(people["bruno"], path)
    assert "Percent off the order, up to 25" in text
    assert "That is the limit of your role. The owner of the store can change it in Settings > Staff." in text
    assert "limit of your role" not in text_of(people["olivia"], path)
    assert [give("bruno", "26"), give("bruno", "25")] == [422, 303]
    assert [give("carla", "51"), give("carla", "50")] == [422, 303]
    assert [give("olivia", "101"), give("olivia", "100")] == [422, 303]
    assert people["vera"].post(path, {"kind": "percentage", "value": "1", "days": "30"}).status_code == 403
    with shop_scope(alpha.id):
        most = fixed_minor_max(alpha)
    assert most
    over, within = f"{(most // 4 + 1) / 100:.2f}", f"{most // 4 / 100:.2f}"
    assert [give("bruno", over, "fixed"), give("bruno", within, "fixed")] == [422, 303]
    Shop.objects.filter(id=alpha.id).update(code_limits={"support": 10})
    assert [give("bruno", "11"), give("bruno", "10")] == [422, 303]


# --- limits and approvals ---------------------------------------------------------------------------------------------


@pytest.fixture
def asked(people: People, member: Customer) -> dict[str, str]:
    """What Bruno filled in, above his limit, to ask for."""
    path = profile(member, "adjust/")
    filled = {"key": opened(people["bruno"], path), "points": "1200", "reason": "late", "note": "Parcel 7"}
    answer = people["bruno"].post(path, filled)
    html = answer.content.decode()
    assert answer.status_code == 422
    assert "Over your limit of 500 points. Nothing was changed." in see(html).text
    assert 'name="ask"' in html
    return {**filled, "ask": "1"}


@pytest.fixture
def waiting(alpha: Shop, people: People, member: Customer, asked: dict[str, str]) -> AdjustmentRequest:
    """The same, asked for."""
    for _ in range(2):  # pressed twice
        assert people["bruno"].post(profile(member, "adjust/"), asked).status_code == 303
    with shop_scope(alpha.id):
        assert not Adjustment.objects.exists()
        return AdjustmentRequest.objects.get()


def decide(client: Client, asked: AdjustmentRequest, what: str, **filled: str) -> Any:
    return client.post(f"/app/loyalty/approvals/{asked.id}/{what}/", filled)


def test_a_request_is_on_home_and_in_activity_and_booked_once_with_both_names(
    alpha: Shop, people: People, member: Customer, waiting: AdjustmentRequest
) -> None:
    for path in ("/app/", "/app/activity/?tab=attention", "/app/activity/?tab=staff"):
        assert "Bruno asks for +1,200 points" in text_of(people["carla"], path)
    story = text_of(people["carla"], f"/app/activity/approval-{waiting.id}/")
    assert "Bruno asks for +1,200 points: Late parcel. Note: “Parcel 7”" in story
    assert [decide(people["carla"], waiting, "approve").status_code for _ in range(2)] == [303, 303]
    assert decide(people["olivia"], waiting, "refuse").status_code == 303
    with shop_scope(alpha.id):
        (made,) = Adjustment.objects.all()
    assert (made.points, made.actor, made.approved_by, made.note) == (1200, "77", "78", "Parcel 7")
    text = text_of(people["vera"], profile(member))
    for said in ("Points available 1,290", "Adjusted by Bruno: Late parcel", "Approved by Carla."):
        assert said in text
    assert [code for code in codes(alpha) if code[0].startswith("loyalty.points.")] == [
        ("loyalty.points.asked", "77"),
        ("loyalty.points.approved", "78"),
    ]
    assert "Needs attention" not in text_of(people["carla"], "/app/")


def test_a_refusal_books_nothing_and_says_why(alpha: Shop, people: People, waiting: AdjustmentRequest) -> None:
    assert decide(people["carla"], waiting, "refuse", answer="Too much").status_code == 303
    assert decide(people["carla"], waiting, "approve").status_code == 303
    with shop_scope(alpha.id):
        assert not Adjustment.objects.exists()
        assert AdjustmentRequest.objects.get().state == "refused"
    story = text_of(people["bruno"], f"/app/activity/approval-{waiting.id}/")
    assert "Answer: “Too much”" in story
    assert "The points stayed as they were." in story


def test_nobody_approves_their_own_or_above_their_own_limit(
    alpha: Shop, people: People, waiting: AdjustmentRequest
) -> None:
    assert decide(people["bruno"], waiting, "approve").status_code == 403
    make_staff(alpha, "77", "manager", "Bruno")
    own = decide(people["bruno"], waiting, "approve")
    assert own.status_code == 422
    assert "Somebody else has to approve what you asked for." in see(own.content.decode()).text
    make_staff(alpha, "78", "manager", "Carla", points_limit=1_000)
    above = decide(people["carla"], waiting, "approve")
    assert "It is over your limit of 1,000 points, too." in see(above.content.decode()).text
    assert decide(people["olivia"], waiting, "approve").status_code == 303
    with shop_scope(alpha.id):
        assert Adjustment.objects.get().approved_by == "42"


def test_what_cannot_be_booked_any_more_stays_undecided(
    alpha: Shop, people: People, member: Customer, waiting: AdjustmentRequest
) -> None:
    with shop_scope(alpha.id):
        Customer.objects.filter(id=member.id).update(gone_at=member.created_at)
    answer = decide(people["carla"], waiting, "approve")
    assert answer.status_code == 422
    assert "This can't be booked any more." in see(answer.content.decode()).text
    assert decide(people["carla"], waiting, "refuse").status_code == 303


def test_an_approval_of_what_is_within_the_limit_is_booked_at_once(
    alpha: Shop, people: People, member: Customer
) -> None:
    path = profile(member, "adjust/")
    filled = {"key": opened(people["bruno"], path), "points": "-500", "reason": "mistake", "ask": "1"}
    assert people["bruno"].post(path, filled).status_code == 303
    with shop_scope(alpha.id):
        assert Adjustment.objects.get().points == -500
        assert not AdjustmentRequest.objects.exists()


def test_two_managers_book_it_once(alpha: Shop, people: People, waiting: AdjustmentRequest) -> None:
    """Both read it while it waited."""
    from loyalty.approvals import AlreadyDecided, adjustment_approve

    with shop_scope(alpha.id):
        first, second = (AdjustmentRequest.objects.select_related("customer").get() for _ in range(2))
        adjustment_approve(shop=alpha, asked=first, actor="78", most=5_000)
        with pytest.raises(AlreadyDecided):
            adjustment_approve(shop=alpha, asked=second, actor="42", most=5_000)
        assert Adjustment.objects.count() == 1


def test_a_viewer_sees_no_way_to_change_things(people: People, member: Customer) -> None:
    for path in (
        profile(member),
        "/app/loyalty/programme/",
        "/app/loyalty/draft/",
        "/app/activity/",
        "/app/customers/",
    ):
        html = people["vera"].get(path).content.decode()
        sane(see(html))
        main = html[html.index("<main") : html.index("</main>")]
        assert not re.search(r'method="post"|/adjust/|/tier/"|/code/|Edit draft', main), path
    assert "Every $1.00 spent earns 1 point" in text_of(people["vera"], "/app/loyalty/draft/")
