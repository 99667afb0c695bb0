"""What a terminal shows of a sweep: progress, the table, and how text is printed."""
