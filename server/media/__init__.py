"""Pictures: their addresses, and the pipeline that makes what is shown of what was brought in, in processes of its own.

May import persistence, protocol and config, and of this room what logs and counts.
"""
