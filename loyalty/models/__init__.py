from loyalty.models.ledger import Account, Entry, LedgerTransaction, Member
from loyalty.models.programme import Programme, ProgrammeDraft, ProgrammeVersion

__all__ = [
    "Account",
    "Entry",
    "LedgerTransaction",
    "Member",
    "Programme",
    "ProgrammeDraft",
    "ProgrammeVersion",
]
