"""Stories: posting and seeing them, trays, what is told when they begin and end, reactions and replies."""
