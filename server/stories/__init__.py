"""Stories: posting and seeing them, trays, what is told when they begin and end, reactions and replies.

May import `persistence`, `protocol`, and from `server` what signs addresses, handles events, clears and observes.
"""
