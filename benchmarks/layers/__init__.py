"""The speed of single recurrent layers, compared with Keras, torch and ONNX Runtime."""
