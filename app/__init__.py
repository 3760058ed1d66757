"""BeTrace for people: the command line, settings, the HTTP API and the violation index."""
