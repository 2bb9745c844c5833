"""Devices and people as the checker looks at them, in the simulator and before a real server.

May import protocol, and of bench the checker.
"""
