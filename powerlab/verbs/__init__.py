"""The verbs of the command line, one a module; `powerlab.cli` lists them."""
