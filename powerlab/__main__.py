"""`python -m powerlab` is `powerlab`."""

from powerlab.cli import main

if __name__ == "__main__":
    main()
