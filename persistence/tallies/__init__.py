"""Totals: how many likes, comments or followers something has, counted where many count at once.

Imports config, protocol and persistence's own pool.
"""
