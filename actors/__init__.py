"""What is decided: conversations and users as plain objects that take a command and the time and return effects.

May import protocol and nothing else of ours; never asyncio, a driver, a clock or a source of randomness.
"""
