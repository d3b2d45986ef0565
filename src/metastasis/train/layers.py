"""Layers that train faster than Keras's equivalent ones, or on several devices as on one.

Models are saved without them.
"""

import keras
import tensorflow as tf

IMAGE_RANK = 4  # (n, height, width, channels)


@keras.saving.register_keras_serializable("metastasis")
class FusedBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation over (n, height, width, channels) by TensorFlow's fused kernel.

    On the TensorFlow backend Keras 3 uses several operations instead. Weights and results are those
    of `keras.layers.BatchNormalization`, which replaces it in a saved model. Several devices or
    machines normalise by the statistics of the whole batch, as one does. The kernel can't do this,
    so they compute it in Keras's way.
    """

    def call(self, inputs: tf.Tensor, training: bool | None = None, mask: None = None) -> tf.Tensor:  # noqa: FBT001  # Keras's signature
        """Normalise by the batch and update the moving statistics, or by these if not training."""
        self.synchronized = tf.distribute.get_strategy().num_replicas_in_sync > 1
        is_fused = training and self.trainable and len(inputs.shape) == IMAGE_RANK
        if self.synchronized or not is_fused:
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
        # The kernel returns the unbiased variance; Keras keeps the biased one.
        num = tf.cast(tf.size(inputs) // tf.shape(inputs)[-1], variance.dtype)
        for moving, value in (
            (self.moving_mean, mean),
            (self.moving_variance, variance * (num - 1) / num),
        ):
            moving.assign(moving * self.momentum + value * (1.0 - self.momentum))
        return outputs


@keras.saving.register_keras_serializable("metastasis")
class SharedDropout(keras.layers.Dropout):
    """Dropout that draws for the whole batch, of which several devices or machines take their rows.

    Each has the same random generator, so Keras's own would drop the same features on all of them.
    """

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:  # noqa: FBT001, FBT002  # Keras's signature
        """Drop features at random if training."""
        num_replicas = tf.distribute.get_strategy().num_replicas_in_sync
        if not training or num_replicas == 1:
            return super().call(inputs, training=training)
        num, *shape = tf.unstack(tf.shape(inputs))
        kept = super().call(tf.ones([num * num_replicas, *shape], inputs.dtype), training=training)
        first = tf.distribute.get_replica_context().replica_id_in_sync_group * num
        return inputs * kept[first : first + num]
