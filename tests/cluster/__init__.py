"""Several nodes as processes, with everything real beneath them."""
