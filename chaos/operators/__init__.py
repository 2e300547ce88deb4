"""What the analysis knows of each kind of operator. Each kind has a room, which is a folder here; see `operator`."""
