"""The MLP, a classifier for any network, and Keras's formulas."""
