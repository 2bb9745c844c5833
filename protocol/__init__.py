"""What is said: message types, ids, errors, closing codes, the codec, and the WebSocket protocol without its I/O.

May import no other room; never asyncio, a driver, a clock or a source of randomness.
"""
