"""Engagement: likes, saves and comments, their totals, and the counts of posts on screen.

May import `persistence`, `protocol`, and from `server` what shows posts and observes.
"""
