"""The study itself: the claims and what answers them, the student's page, the picture of all sweeps, small pictures."""
