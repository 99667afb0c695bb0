"""The sweep's page: `report.html`, one file without requests."""
