"""Uploads: how far each is, who writes it now, what somebody may still bring; their bytes are among the objects.

May import `protocol`, and of its neighbours the pool.
"""
