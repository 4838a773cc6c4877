"""Pure functions that judge facts: no ORM, no clock, exact arithmetic."""
