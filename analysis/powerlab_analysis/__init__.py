"""From a run to numbers with an uncertainty: pure functions, records in and records out.

Nothing here opens a file, an instrument or a window on the screen. `powerlab_analysis.analysis.analyse` is the
whole way from a run to its result; the other modules are its steps.
"""
