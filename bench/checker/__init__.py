"""Histories of what devices asked and were told, and whether what was promised holds in them.

May import protocol and nothing else of ours.
"""
