"""The rules. Services flush; the transaction is the request's, which commits it.

They commit by themselves only what has to stay whatever follows (a counted try, the end of a
replayed session), and to lend no connection to a slow hash.
"""
