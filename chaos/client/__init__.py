"""Who sends operations: meters, which measure the service, and application clients, which are a user's library."""
