"""Clients that cost little, one class a dialect: `Conversation` asks a question and keeps what comes back."""
