"""The outbox: events that were written with their cause, on their way to whoever has use for them.

May import protocol only; what is in an event is between its producer and its consumers.
"""
