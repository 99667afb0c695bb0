"""One trial, and where trials run."""
