"""The sweeper: what a sweep is, what its ledger holds, what may be said of it; without torch."""
