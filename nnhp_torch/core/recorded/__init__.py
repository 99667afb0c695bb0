"""What is on record already, as an outcome: of a ledger alone, or of a table of runs that were made elsewhere."""
