"""Going on exactly: what a stopped trial needs to come to the same digits."""
