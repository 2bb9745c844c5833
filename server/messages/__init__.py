"""Pushes for messages: on their way to their readers, and what the sweep of the log finds. Server's own rules hold."""
