"""What every phase shares: configuration, runs, lake, services, errors and the command line."""
