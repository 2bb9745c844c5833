"""Notifications: groups of deeds, the deeds themselves, and who wants what. Contract, memory twin, Postgres.

May import protocol only; what becomes of a deed is decided elsewhere, by a function that is handed in.
"""
