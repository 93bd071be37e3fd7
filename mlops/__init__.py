"""Work on models rather than with them: comparing them on the same questions, by what users of Prosa get.

An entry point beside `server`, which it never imports: it asks a running Prosa over HTTP as any client would.

questions.py   a question and what is known to be right; read from JSONL
numerals.py    numbers in a text, as Portuguese, English and Spanish write them
scoring.py     whether a reply is right
compare/       `python -m mlops compare`: several models, one report
data/          the public questions about the demo's sales data
"""
