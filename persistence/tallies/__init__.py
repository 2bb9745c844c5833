"""Totals: how many likes, comments or followers something has, counted where many count at once.

May import protocol and, of its neighbours, the pool.
"""
