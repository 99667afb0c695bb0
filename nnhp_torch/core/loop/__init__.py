"""One run of a sweep: its cells are chosen, its launcher is heard, the ledger written, those who listen told."""
