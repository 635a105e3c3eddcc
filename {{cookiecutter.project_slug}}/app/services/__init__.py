"""Services: business rules and queries, without HTTP.

The transaction belongs to the request: services flush, and never commit, except by
`app.db.session.commit_and_release`.
"""
