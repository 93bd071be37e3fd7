"""What runs in the environments of the peers, as scripts: it imports nothing of this repository."""
