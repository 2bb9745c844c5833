"""Notifications at work: events become groups, windows close, devices are told, texts are put into words.

May import persistence's contracts, actors and protocol; the composition root hands it the stores.
"""
