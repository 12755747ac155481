"""The machine where a workload runs, watched while it does: how much memory is used, and the state of the board.

`powerlab.board.sampler` does so in a process of its own, which loads neither torch nor numpy and stays out of the way;
`powerlab.board.watch` starts it and speaks to it. Nothing in this package may load what is not needed for that.
"""
