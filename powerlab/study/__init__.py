"""A study: many networks by many batches, measured into one folder, and what they say together.

The folder holds `plan.json`, what is to be measured; `runs/`, a run file for each point and repeat; and the table
`results.csv` and `results.parquet`, a row for each run. A *point* is a network with a batch; a *repeat* is one run
of it, in a process of its own.
"""
