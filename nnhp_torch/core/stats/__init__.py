"""What may be said: cells, verdicts and the tests behind them, proposals, the winner and its luck."""
