"""Services: business rules and queries, without HTTP.

Each request has one transaction, which `app.db.session` commits. Services flush; where they must
commit earlier or run work of their own, they call its `commit_and_release()` or `transaction()`.
"""
