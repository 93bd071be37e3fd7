"""What people use today for this work, measured beside the naive loop and Prosa: `python -m bench.peers`.

One module a peer: how it is started over the fake model, and how its clients speak to it (bench/clients). Each lives in
a virtual environment of its own (environments.py) with the versions that `<name>.txt` pins; `applications` is the code
that such an environment runs. The scenarios are of the kinds of `python -m bench`, in sizes that a slow peer ends in
seconds. It is no part of the server and of no test's run.
"""
