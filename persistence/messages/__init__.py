"""Pushes for messages: whom one may be pushed to, the jobs for it, and how far the log has been swept. In Postgres.

May import protocol and `persistence.conversations` only.
"""
