"""Conversations: logs, memberships, marks. The contract, its memory twin and its Postgres store."""
