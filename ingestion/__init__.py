"""Lake objects into ``raw``: exactly once, whatever is killed, repeated, late or concurrent."""
