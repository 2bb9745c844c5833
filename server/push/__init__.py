"""Pushes on their way to devices: the courier, one adapter for each provider, the rules for endpoints.

May import protocol, config and persistence's contracts of pushes.
"""
