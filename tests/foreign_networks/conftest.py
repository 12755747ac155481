"""Nothing here is collected: `run.py` is a program, and the libraries it compares with are not installed here."""

collect_ignore_glob = ["*.py"]
