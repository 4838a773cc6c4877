from loyalty.models.approvals import AdjustmentRequest
from loyalty.models.facts import Adjustment, Announcement, Spending, TierMove
from loyalty.models.ledger import (
    Account,
    Entry,
    LedgerTransaction,
    Lot,
    Member,
    MemberSnapshot,
    PeriodClose,
    TierChange,
)
from loyalty.models.programme import (
    Backfill,
    Launch,
    Programme,
    ProgrammeDraft,
    ProgrammeVersion,
    ProgrammeWithdrawal,
    Setup,
    SimulatedMove,
    Simulation,
)

__all__ = [
    "Account",
    "Adjustment",
    "AdjustmentRequest",
    "Announcement",
    "Backfill",
    "Entry",
    "Launch",
    "LedgerTransaction",
    "Lot",
    "Member",
    "MemberSnapshot",
    "PeriodClose",
    "Programme",
    "ProgrammeDraft",
    "ProgrammeVersion",
    "ProgrammeWithdrawal",
    "Setup",
    "SimulatedMove",
    "Simulation",
    "Spending",
    "TierChange",
    "TierMove",
]
