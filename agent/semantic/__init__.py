"""Answers to questions that are asked in other words: embeddings of questions, and a guard that doubts."""
