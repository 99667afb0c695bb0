"""One sweep or search as the command line runs it: prepared, checked, run, drawn, interrupted."""
