"""The statement written a second time, from `docs/statement.md`: no module shared with the product, plain dicts in."""

from __future__ import annotations

import calendar
import datetime as dt
import itertools
from collections import Counter
from dataclasses import make_dataclass, replace
from fractions import Fraction
from typing import Any
from zoneinfo import ZoneInfo

Plain = dict[str, Any]
TIME, DOWN, END, EXPIRY, USABLE, CLAIM, ORDER, REFUND, CANCELLATION, ADJUSTMENT, MOVE, UNDO, SPENDING, LAST = range(14)
EARLY, LATE, parse = "0002-01-01T00:00Z", "9000-01-01T00:00Z", dt.datetime.fromisoformat
ALWAYS, NEVER, FREE, EXPIRED, ALL = parse(EARLY), parse(LATE), "free", "expired", 10**18
NO_TIERS, NO_MOVE = {"levels": [], "period": None, "by": "spend"}, {"level": None, "until": None}


def oracle(history: Plain, programme: Plain, as_of: dt.datetime) -> Plain:
    """Lines by source, lots, sums and tiers; `announceable` is every (due instant, subject) there was."""
    fold, lots = _Fold(history, programme, as_of), Counter[Any]()
    for piece in fold.of(FREE):
        lots[piece.lot, piece.usable_from, piece.due] += piece.points
    usable, all_ = (sum(piece.points for piece in fold.of(FREE, usable=at)) for at in (as_of, NEVER))
    sums = {"usable": usable, "pending": (all_ - usable) * bool(fold.claim), "unclaimed": all_ * (not fold.claim)}
    held = [f"{kind}:{one['id']}" for one in history["spendings"] if one["held"] for kind in ("spending", "undo")]
    sums |= {"held": -sum(fold.lines[one] for one in held), "debt": sum(fold.owed.values()), "claimed": fold.claimed}
    changes = itertools.pairwise(fold.tiers.items())
    return sums | {
        "lines": {source: points for source, points in fold.lines.items() if points},
        "lots": sorted(((lot, points, *instants) for (lot, *instants), points in lots.items()), key=str),
        "tier": fold.held_tier() or None,
        "tier_history": [(at, tier or None) for (_, before), (at, tier) in changes if tier != before],
        "announceable": sorted((due, subject) for subject, due in fold.announceable.items()),
    }


# Points of a credit; `of` is FREE, EXPIRED or the source of what took them.
_Piece = make_dataclass("_Piece", ["lot", "at", "usable_from", "due", "points", ("of", str, FREE)], eq=False)


class _Fold:
    def __init__(self, history: Plain, programme: Plain, as_of: dt.datetime) -> None:
        self.programme, self.as_of, self.now = programme, as_of, ALWAYS
        self.zone, self.rules = ZoneInfo(programme["timezone"]), programme["versions"][0]["rules"]
        self.announcements = sorted((one["at"], one["subject"]) for one in history["announcements"])
        self.announceable, self.take_backs, self.counted, self.pieces = {}, {}, {}, []  # type: Any, Any, Any, Any
        self.lines, self.owed, self.floored = Counter[str](), Counter[str](), Counter[str]()
        self.tier, self.since, self.shortfall, self.move = "", ALWAYS, None, NO_MOVE  # type: str, Any, Any, Any
        self.tiers, self.bonus_stands, self.claimed = {ALWAYS: ""}, False, None  # type: Any, bool, Any
        self.claim = next((at for at in [history["claimed_at"]] if at and at <= as_of), None)
        self.claimable = lambda at: max(at, self.claim) if at and self.claim else None
        self.events = self.plan(history) + self.event(self.claim, CLAIM, 0, self.claims)
        while upcoming := min(self.events + self.due(), default=None, key=lambda event: event[:3]):
            self.events = [event for event in self.events if event is not upcoming]
            self.now, _, _, act = upcoming
            self.review(start=bool(act()))
            for source in [source for source, points in self.owed.items() if points]:
                self.owed[source] = self.take(source, self.owed[source], self.of(FREE, usable=self.now))
            self.tiers[self.now] = self.held_tier()

    def event(self, at: dt.datetime | None, rank: int, id_: Any, act: Any, *args: Any) -> list[Any]:
        return [(max(at, self.now), rank, id_, lambda: act(*args))] if (at or NEVER) <= self.as_of else []

    def plan(self, history: Plain) -> list[Any]:
        """The facts, and the instants at which time alone may move a tier."""
        events = [self.event(one["at"], ADJUSTMENT, one["id"], self.adjust, one) for one in history["adjustments"]]
        events += [self.event(one["at"], MOVE, one["id"], self.tier_move, one) for one in history["tier_moves"]]
        events += [self.event(one["at"], SPENDING, one["id"], self.spend, one) for one in history["spendings"]]
        earning = [(order["at"], known) for order in history["orders"] if (known := self.states(order))]
        first = min((at for at, _ in earning), default=NEVER)
        instants = {version["from"] for version in self.programme["versions"]}
        instants |= {self.later(fact["at"], months=12) for fact in history["orders"] + history["adjustments"]}
        end = min(self.as_of, max(instants) + dt.timedelta(days=3653)).year + 2  # then nothing goes down any more
        years = [dt.datetime(year, 1, 1, tzinfo=self.zone) for year in range(min(instants).year - 2, end)]
        returns = [self.later(first, months=12 * n, midnight=True) for n in range(end - first.year)]
        self.years = {"calendar_year": [year.astimezone(dt.UTC) for year in years], "anniversary": returns}
        events += [self.event(one, TIME, 0, self.time) for one in instants.union(*self.years.values())]
        return list(itertools.chain(*events, *(known for _, known in earning)))

    def later(self, instant: dt.datetime, days: int = 0, months: int = 0, midnight: bool = False) -> dt.datetime:
        local = instant.astimezone(self.zone)
        year, month = divmod(local.year * 12 + local.month - 1 + months, 12)
        month_days = calendar.monthrange(year, month + 1)[1]
        day = dt.date(year, month + 1, min(local.day, month_days)) + dt.timedelta(days=days)
        return dt.datetime.combine(day, dt.time() if midnight else local.time(), self.zone).astimezone(dt.UTC)

    def announced(self, subject: str, due: dt.datetime) -> dt.datetime:
        subject, instant = f"{subject}:{due:%Y-%m-%dT%H:%M:%SZ}", NEVER
        self.announceable[subject] = due
        for at, of in self.announcements:
            if of == subject and at <= self.as_of and at < instant:
                instant = max(due, at + dt.timedelta(hours=7 * 24))
        return instant

    def states(self, order: Plain) -> list[Any]:
        """The events of an order: what it is worth at first and after each thing that befell it."""
        at, versions = order["at"], self.programme["versions"]
        judges = [(one, None) for one in versions if one["from"] <= at][-1:] or [(versions[0], versions[0]["from"])]
        if at < self.programme["earn_from"]:
            decided = sorted(self.programme["backfills"], key=lambda one: one["decided_at"])
            chosen = [(one["version"], one["decided_at"]) for one in decided if one["from"] <= at][:1]
            judges = [(one, decided_at) for one in versions for number, decided_at in chosen if one["number"] == number]
        paid = order["paid"] and (order["paid_at"] or at) <= self.as_of
        if not judges or not paid or order["test"] or order["currency"] != self.programme["currency"]:
            return []
        rules, pieces, states, beyond = judges[0][0]["rules"], [], [], 0  # a piece is (line, price, weighted price)
        known = {"order": order, "rules": rules, "decision": judges[0][1], "points": 0, "bonus": 0}
        for line in order["lines"]:
            price = weighted = Fraction(line["net"], line["quantity"])
            for one in rules["multipliers"]:
                in_time = parse(one["from"] or EARLY) <= at < parse(one["until"] or LATE)
                weighted *= Fraction(one["percent"], 100) if in_time and one["label"] in line["labels"] else 1
            pieces += [(line["id"], price, weighted)] * (not line["gift_card"]) * (line["quantity"] - line["removed"])
        befell = [(at, ORDER, order["id"], {}, 0)]
        befell += [(max(at, one["at"]), REFUND, one["id"], one["lines"], one["unlined"]) for one in order["refunds"]]
        befell += [(max(at, one), CANCELLATION, order["id"], {}, ALL) for one in [order["cancelled_at"]] if one]
        for instant, rank, id_, returned, unlined in sorted(befell, key=lambda one: one[:3]):
            for line_id, quantity in returned.items():
                for piece in [piece for piece in pieces if piece[0] == line_id][:quantity]:
                    pieces.remove(piece)
            beyond, kept = beyond + unlined, Fraction(sum(piece[1] for piece in pieces))
            base, weighted = max(Fraction(0), kept - beyond), sum(piece[2] for piece in pieces)
            worth = base, weighted * base / kept if kept else 0
            states += self.event(instant, rank, id_, self.order, known, rank, id_, *worth) if states or base else []
        return states

    def order(self, known: Plain, rank: int, id_: int, base: Fraction, weighted: Fraction) -> None:
        order, rules, lot = known["order"], known["rules"], f"order:{known['order']['id']}"
        percents = {level["key"]: level["percent"] for level in (rules["tiers"] or NO_TIERS)["levels"]}
        known.setdefault("percent", percents.get(self.held_tier(), 100))
        points = weighted * rules["earn"]["points"] * known["percent"] // (rules["earn"]["per_minor"] * 100)
        bonus, most = rules["bonuses"]["order"] or {"from_minor": ALL, "points": 0}, rules["order_max"]
        points = min(points + bonus["points"] * (0 < base >= bonus["from_minor"]), ALL if most is None else most)
        if rank == ORDER:
            begins = max(order["at"], order["paid_at"] or order["at"])
            if rules["waiting"]["after"] == "fulfilment":
                begins = order["fulfilled_at"] if (order["fulfilled_at"] or NEVER) <= self.as_of else None
            begins, due = self.claimable(begins and self.later(begins, days=rules["waiting"]["days"])), None
            if begins and rules["expiry_months"] is not None:
                due = self.later(max(begins, known["decision"] or begins), months=rules["expiry_months"], midnight=True)
            self.credit(lot, points, begins, due)
            if rules["bonuses"]["first_order"] and not self.bonus_stands:
                self.bonus_stands, known["bonus"] = True, rules["bonuses"]["first_order"]
                self.credit(f"first_{lot}", known["bonus"], begins, due)
        else:
            name = "refund" if rank == REFUND else "cancellation"
            self.take_back(f"{name}:{id_}", lot, known["points"] - points)
            if not base and known["bonus"]:
                self.take_back(f"{name}_bonus:{id_}", f"first_{lot}", known["bonus"])
                self.bonus_stands, known["bonus"] = False, 0
        known["points"] = points
        self.counted[lot] = {"at": order["at"], "spend": base, "points": points + known["bonus"], "orders": base > 0}

    def claims(self) -> None:
        points = sum(piece.points for piece in self.of(FREE)) - sum(self.owed.values())
        orders = {piece.lot.split(":")[1] for piece in self.of(FREE) if "order:" in piece.lot}
        self.claimed = (points, len(orders)) if points > 0 else None

    def credit(self, lot: str, points: int, usable_from: dt.datetime | None, due: dt.datetime | None) -> None:
        self.lines[lot] += points
        self.pieces += [_Piece(lot, self.now, usable_from, due, points)] * (points > 0)
        self.events += self.event(usable_from, USABLE, lot, lambda: None)  # debts are settled after every event

    def expire(self, piece: _Piece) -> None:
        piece.of = EXPIRED
        self.lines[f"expiry:{piece.lot}:{piece.due:%Y-%m-%dT%H:%M:%SZ}"] -= piece.points

    def of(self, holder: str, lot: str | None = None, usable: dt.datetime = NEVER) -> list[_Piece]:
        held = [piece for piece in self.pieces if piece.of == holder and lot in (None, piece.lot)]
        return [piece for piece in held if (piece.usable_from or NEVER) <= usable]

    def cut(self, piece: _Piece, points: int) -> tuple[_Piece, _Piece | None]:
        if points >= piece.points:
            return piece, None
        rest, piece.points = replace(piece, points=piece.points - points), points
        self.pieces.insert(self.pieces.index(piece), rest)
        return piece, rest

    def take(self, source: str, points: int, pieces: list[_Piece]) -> int:
        """Take pieces, those that expire first; returns what was lacking."""
        for piece in sorted(pieces, key=lambda one: (one.due or NEVER, one.at, one.lot)) if points else ():
            if points:
                self.cut(piece, points)
                self.pieces = [*(one for one in self.pieces if one is not piece), piece]  # in the order they were taken
                piece.of, points = source, points - piece.points
        return points

    def debit(self, source: str, points: int) -> int:
        """Take what is usable; what is short is owed or floored. Returns the points less those floored."""
        short = self.take(source, points, self.of(FREE, usable=self.now))
        (self.owed if self.rules["short"] == "owed" else self.floored)[source] = short
        return points - self.floored[source]

    def take_back(self, source: str, lot: str, points: int) -> None:
        self.take_backs.setdefault(lot, []).append(source)
        rest = self.take(source, points, self.of(FREE, lot))
        lacking = self.take(f"{source} set off", rest, self.of(EXPIRED, lot))
        self.lines[source] -= points - rest + self.debit(source, lacking)

    def adjust(self, adjustment: Plain) -> None:
        source, points = f"adjustment:{adjustment['id']}", adjustment["points"]
        if points > 0:
            self.credit(source, points, self.claimable(self.now), adjustment["expires_at"] if self.claim else None)
        else:
            self.lines[source] -= self.debit(source, -points)
        if adjustment["counts"]:
            self.counted[source] = {"at": self.now, "spend": 0, "points": points, "orders": 0}

    def spend(self, spending: Plain) -> None:
        points = self.debit(f"spending:{spending['id']}", spending["points"])
        self.lines[f"spending:{spending['id']}"] -= points
        rank = LAST if spending["undone_at"] == self.now else UNDO
        self.events += self.event(spending["undone_at"], rank, spending["id"], self.undo, spending, points)

    def undo(self, spending: Plain, points: int) -> None:
        self.lines[f"undo:{spending['id']}"], self.owed[f"spending:{spending['id']}"] = points, 0
        for piece in self.of(f"spending:{spending['id']}"):
            self.give_back(piece, spending["id"], own=True)

    def give_back(self, piece: _Piece, spending: int, own: bool) -> None:
        """To its lot, whose take-backs come first: what each still owes, what was floored, what others gave for it."""
        rest, sources = piece, self.take_backs.get(piece.lot, ())
        for lacking, source in itertools.product((self.owed, self.floored), sources):
            if rest and lacking[source]:
                piece, rest = self.cut(rest, lacking[source])
                piece.of, lacking[source] = source, lacking[source] - piece.points
                self.lines[f"late:{source}:{spending}"] -= piece.points * (lacking is self.floored)
        for source in sources:
            while rest and (others := [one for one in self.of(source) if one.lot != piece.lot]):
                piece, rest = self.cut(rest, others[0].points)
                piece.of, (back, _) = source, self.cut(others[0], piece.points)
                self.give_back(back, spending, own=False)
        for source in sources:
            while rest and (set_off := self.of(f"{source} set off")):
                piece, rest = self.cut(rest, set_off[0].points)
                piece.of, self.cut(set_off[0], piece.points)[0].of = source, EXPIRED
                self.lines[f"late:{source}:{spending}"] -= piece.points
        if rest:
            keeps = not rest.due or (rest.due > self.now and not own)
            rest.of, rest.due = FREE, rest.due if keeps else max(rest.due, self.later(self.now, days=30))

    def levels(self) -> list[str]:
        return ["", *(level["key"] for level in (self.rules["tiers"] or NO_TIERS)["levels"])]

    def held_tier(self) -> str:
        known = self.move["level"] in self.levels()
        both = sorted([self.tier, self.move["level"]] if known else [self.tier], key=self.levels().index)
        return both[-1] if known and self.move["floor"] else both[0]

    def review(self, start: bool) -> None:
        """Up at once; a shortfall begins (`start`: of a period or a version) or ends."""
        tiers, levels = self.rules["tiers"] or NO_TIERS, self.levels()
        known = tiers["period"] != "anniversary" or any(source.startswith("order:") for source in self.counted)
        starts, amounts = self.years.get(tiers["period"], [ALWAYS]) * known, Counter[int]()  # by year, the first is 1
        for one in self.counted.values():
            if tiers["period"] != "rolling_year" or self.now < self.later(one["at"], months=12):
                amounts[sum(start <= one["at"] for start in starts)] += one[tiers["by"]]
        this, amounts[0] = sum(start <= self.now for start in starts), 0
        entitled = sum(level["from"] <= max(amounts[this], amounts[this - 1]) for level in tiers["levels"])
        if entitled > levels.index(self.tier):
            self.tier, self.since = levels[entitled], self.now
        if entitled == levels.index(self.tier):
            self.shortfall = None
        elif not self.shortfall and (start or tiers["period"] in ("lifetime", "rolling_year")):
            self.shortfall = self.now

    def time(self) -> bool:
        """A version's or a period's start (then true), or the end of a window."""
        starts = [version["rules"] for version in self.programme["versions"][1:] if version["from"] == self.now]
        for rules in starts:
            below, self.rules = self.levels()[: self.levels().index(self.tier) + 1], rules
            if self.tier not in self.levels():
                self.tier = [level for level in below if level in self.levels()][-1]
                self.since, self.shortfall = self.now, None
        period = (self.rules["tiers"] or NO_TIERS)["period"]
        return bool(starts) or self.now in self.years.get(period, ())[period == "anniversary" :]

    def due(self) -> list[Any]:
        events, tiers, move = [], self.rules["tiers"], self.move
        for piece in [piece for piece in self.of(FREE) if piece.due]:
            instant = self.announced(f"expiry:{piece.lot}", piece.due)
            events += self.event(instant, EXPIRY, piece.lot, self.expire, piece)
        if self.shortfall:
            dues = self.later(self.shortfall, tiers["grace_days"]), self.later(self.since, tiers["hold_days"])
            due = max(*dues, parse(tiers["protect_until"] or EARLY))
            events += self.event(self.announced(f"tier:{self.tier}", due), DOWN, 0, self.move_down)
        if move["until"]:
            end = self.announced(f"tier_move:{move['id']}", move["until"]) if move["floor"] else move["until"]
            events += self.event(end, END, 0, self.tier_move, NO_MOVE)
        return events

    def move_down(self) -> None:
        self.tier, self.since, self.shortfall = self.levels()[self.levels().index(self.tier) - 1], self.now, None

    def tier_move(self, move: Plain) -> None:
        if move["level"] is None or (self.rules["tiers"] and move["level"] in self.levels()):
            self.move = {**move, "floor": self.levels().index(move["level"] or "") >= self.levels().index(self.tier)}
