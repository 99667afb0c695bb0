"""What has been: results, the file that holds them, and the checkpoints that were kept."""
