"""What computes a saved network's logits: Keras, or a runtime that is faster on a plain CPU."""
