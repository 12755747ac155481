"""The common vocabulary: traces, windows, records, runs, and the file they are kept in.

Everything here stands on numpy alone; `powerlab_traces.store` is the one door to h5py.
"""
