"""The report of a study: figures, claims and tables as one page for a browser, and one document to print."""
