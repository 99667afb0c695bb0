"""The article's network and training as one configuration, and its code as printed."""
