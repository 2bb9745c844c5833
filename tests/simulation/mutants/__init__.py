"""Servers and SDKs with a bug in them, to see whether the checker finds it: each function puts one into the real one.

May import every room; only the test of the checker imports them.
"""
