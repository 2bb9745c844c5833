"""The outbox: what happened, for whoever has use for it later."""
