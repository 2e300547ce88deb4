"""The clients: meters, which measure the service, and application clients, which use a user's library."""
