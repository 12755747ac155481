"""A bench without hardware: scope, supply, probe and board, behind the transports the real ones use.

Written from the instruments' manuals and never from the drivers, so that a wrong command fails here as it would
on the instrument. `bench.SimulatedBench` is the door; `python -m powerlab_instruments.simulated` runs one as a
process of its own.
"""
