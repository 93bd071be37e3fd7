"""What nodes tell of themselves."""
