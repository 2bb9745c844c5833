"""Engagement: likes, saves and comments, their totals, and the counts of posts on screen.

Imports persistence, protocol and the server's own rooms.
"""
