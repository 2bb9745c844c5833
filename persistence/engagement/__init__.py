"""Likes, saves and comments: edges that exist or do not, counted by `persistence.tallies`.

May import protocol and, of its neighbours, the pool, tallies and the conditions of privacy.
"""
