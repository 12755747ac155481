"""Nothing here is collected: these are programs for `run.py`, and what they import is not installed here."""

collect_ignore_glob = ["*.py"]
