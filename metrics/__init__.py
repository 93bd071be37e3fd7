"""What happened, for people and machines: the books in SQL, metrics, prices and logs. It knows only `core`.

recorder.py    takes records from the outbox to the books
sql/           the books: schema, migrations, queries
catalog.py     every metric as data; prometheus.py turns it into `/metrics`
pricing.py     what tokens cost
logs.py        one line a fact; masks.py says what never gets into it
"""
