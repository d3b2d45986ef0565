"""Layers that train faster than Keras's equivalent ones; models are saved without them."""

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("metastasis")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation over (n, height, width, channels) by TensorFlow's fused kernel.

    On the TensorFlow backend Keras 3 uses several operations instead. Weights and results are those
    of `keras.layers.BatchNormalization`, which replaces it in a saved model.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:  # noqa: FBT001  # Keras's signature
        """Normalise by the batch and update the moving statistics, or by these if not training."""
        if not training or not self.trainable:
            return super().call(inputs, training=training, mask=mask)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=self.gamma.value,
            offset=self.beta.value,
            mean=tf.zeros_like(self.moving_mean.value),
            variance=tf.ones_like(self.moving_variance.value),
            epsilon=self.epsilon,
            is_training=True,
        )
        replica = tf.distribute.get_replica_context()
        if replica.num_replicas_in_sync > 1:  # else only the first device's patches would count
            mean, variance = replica.all_reduce(tf.distribute.ReduceOp.MEAN, [mean, variance])
        # The kernel returns the unbiased variance; Keras keeps the biased one.
        num = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
        for moving, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance * (num - 1) / num),
        ):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return outputs
