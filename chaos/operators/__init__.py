"""What is known of the kind of system that moves the master's address, a room for each kind; see `operator`."""
