"""Ids of rows: integers from 1 to 2^31 - 1, the range of PostgreSQL's `integer`."""

MAX_ID = 2**31 - 1
