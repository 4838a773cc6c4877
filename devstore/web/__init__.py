"""The pages devstore shows to people: the store's theme, the merchant's admin, and the staff pages."""
