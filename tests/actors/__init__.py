"""What is decided: actors told commands, and state machines that tell them any order of commands. No loop, no clock."""
