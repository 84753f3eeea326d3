"""One package per method: its configuration keys, its paper as pure functions, its network."""
