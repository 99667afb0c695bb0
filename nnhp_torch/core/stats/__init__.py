"""What may be said: cells, winner, verdicts, races."""
