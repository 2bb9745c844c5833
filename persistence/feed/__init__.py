"""Feeds: lists of candidates in Redis, what rebuilds them in Postgres, posts on their way to followers.

May import the pools, the graph's and the posts' statements, and `protocol`; nothing of `server` or `actors`.
"""
