"""Records on their way to SQL."""
