"""The sweep's picture, `figure.png` and in TensorBoard, drawn with matplotlib."""
