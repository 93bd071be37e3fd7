"""`python -m mlops compare`: several models, the same questions, through Prosa as its users meet it.

command.py     the options, and what is done in which order
order.py       which question goes to which model when (pure)
results.py     what came back, on disk as it comes; taking a run up again
asking.py      one question over HTTP and how long its answer took
running.py     all questions, some at a time
progress.py    how far it is, on a terminal
environment.py with what it was measured
keeper.py      ends what was started, however the run ends
own_prosa.py   a Prosa started for the run where no address is given
statistics.py  intervals, percentiles, the paired test (pure)
summary.py     results to figures (pure)
page.py        figures to Markdown (pure)
plots.py       figures to SVG
report.py      results to all files of a report
fakes.py       models that are none, for a demonstration and for tests
demo.py        `python -m mlops.compare.demo`: the comparison of docs/comparison.md
"""
