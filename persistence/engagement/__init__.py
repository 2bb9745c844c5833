"""Likes, saves and comments: edges that exist or do not, counted by `persistence.tallies`.

Imports protocol and persistence's own rooms.
"""
