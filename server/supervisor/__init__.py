"""One process that keeps the nodes of one machine alive, and restarts them one after the other."""
