"""What the law lets people and merchants ask for: a copy of what we hold, erasing a customer, erasing a shop.

`requests` takes the platform's compliance topics in and works them off; `tombstones` keeps the erased from coming back;
`engines` is where engines add their part; `retention` deletes what nobody needs any more.
"""
