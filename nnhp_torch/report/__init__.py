"""What people look at: table, CSV, figure, page, progress."""
