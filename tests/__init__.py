"""How we know: one folder per room, and beside them what holds across rooms.

May import everything.
"""
