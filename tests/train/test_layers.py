"""Tests of `train.layers`: the fused layer computes what Keras's own does."""

import keras
import numpy as np
import tensorflow as tf

from metastasis.train import layers


def step(layer: keras.layers.Layer, inputs: np.ndarray) -> list[np.ndarray]:
    """Output, gradients of the inputs and weights, and weights after one training step."""
    layer.build(inputs.shape)
    layer.gamma.assign(np.linspace(0.5, 2, inputs.shape[-1]))
    layer.beta.assign(np.linspace(-1, 1, inputs.shape[-1]))
    tensor = tf.constant(inputs)
    with tf.GradientTape() as tape:
        tape.watch(tensor)
        outputs = layer(tensor, training=True)
        loss = tf.reduce_sum(outputs**3)
    sources = [tensor, *(weight.value for weight in layer.trainable_weights)]
    gradients = tape.gradient(loss, sources)
    return [outputs.numpy(), *(gradient.numpy() for gradient in gradients), *layer.get_weights()]


def test_the_fused_layer_equals_keras_in_output_gradient_and_statistics() -> None:
    inputs = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 7)).astype(np.float32)
    pairs = zip(
        step(layers.FusedBatchNormalization(), inputs),
        step(keras.layers.BatchNormalization(), inputs),
        strict=True,
    )
    for fused, plain in pairs:
        np.testing.assert_allclose(fused, plain, rtol=2e-4, atol=2e-4)


def test_the_statistics_are_used_when_not_training() -> None:
    inputs = np.random.default_rng(0).normal(3, 2, (4, 5, 6, 7)).astype(np.float32)
    fused, plain = layers.FusedBatchNormalization(), keras.layers.BatchNormalization()
    for layer in (fused, plain):
        layer(inputs, training=True)
    np.testing.assert_allclose(fused(inputs), plain(inputs), rtol=1e-4, atol=1e-4)
    assert abs(float(np.mean(fused(inputs)))) > 1
