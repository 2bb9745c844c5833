"""Real processes, and whatever may happen to them: `tidings torture`."""
