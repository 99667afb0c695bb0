"""One run of a sweep: its launcher is heard, the ledger written, its chooser and those who listen told."""
