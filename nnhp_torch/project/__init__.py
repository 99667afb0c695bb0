"""Somebody's LightningCLI, or plain classes, as a sweep: none of their files changed."""
