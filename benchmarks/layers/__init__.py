"""How fast the recurrent layers are, beside Keras', torch's and ONNX Runtime's."""
