"""`python -m powerlab` is `powerlab`. As `powerlab workload` it needs but Python, torch and this package: see below."""

import sys

if __name__ == "__main__":
    if sys.argv[1:] == ["workload"]:  # on a board there is not even what the command line is made with
        from powerlab.workload.child import main
    else:
        from powerlab.cli import main
    main()
