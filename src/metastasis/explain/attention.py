"""Computes where a network looks: Grad-CAM from its gradients, occlusion from its outputs."""

import cv2
import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from metastasis import models
from metastasis.patches.shards import UInt8

BATCH_SIZE = 64
WINDOW = 16  # pixels: the side of the covered window
STRIDE = 8  # pixels from one covered window to the next
GLASS = 240  # 0..255: red, green and blue of bare glass

Heat = NDArray[np.float32]


def grad_cam(model: keras.Model, patches: UInt8) -> Heat:
    """Return the evidence for tumour at each pixel of (n, size, size, 3) patches: (n, size, size).

    The last spatial features are weighted by their gradients towards the logit (Grad-CAM, Selvaraju
    et al. 2017): each position by its own gradient, not by the mean over all positions (HiResCAM,
    Draelos and Carin 2020), since the centre is pooled separately and a feature counts more there.
    Evidence against tumour is set to 0. The scale is that of logits.
    """
    network = _with_places(model)
    heats = []
    for start in range(0, len(patches), BATCH_SIZE):
        with tf.GradientTape() as tape:
            places, logits = network(patches[start : start + BATCH_SIZE])
            total = tf.reduce_sum(logits)
        heat = tf.nn.relu(tf.reduce_sum(places * tape.gradient(total, places), axis=-1))
        heats += [_resized(each, patches.shape[1]) for each in heat.numpy()]
    return np.array(heats, np.float32).reshape(patches.shape[:3])


def occlusion(model: keras.Model, patches: UInt8) -> Heat:
    """Return how much the logit falls when a window is covered: (n, size, size), at least 0.

    A pixel's value is the mean over the windows that cover it (Zeiler and Fergus 2014). Covered
    windows show bare glass: the mean colour or a blur looks like crowded nuclei and raises the
    logit.
    """
    if not len(patches):
        return np.empty(patches.shape[:3], np.float32)
    network = models.to_logits(model)
    size = patches.shape[1]
    starts = [*range(0, size - WINDOW, STRIDE), size - WINDOW]
    before = network.predict_on_batch(patches)[:, 0]
    total, num = np.zeros(patches.shape[:3], np.float32), np.zeros((size, size), np.float32)
    for top in starts:
        for left in starts:
            window = (slice(top, top + WINDOW), slice(left, left + WINDOW))
            covered = patches.copy()
            covered[:, *window] = GLASS
            fall = before - network.predict_on_batch(covered)[:, 0]
            total[:, *window] += fall[:, np.newaxis, np.newaxis]
            num[window] += 1
    return np.asarray(np.maximum(total / num, 0), np.float32)


def share_inside(heat: Heat, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the share of each patch's heat that is inside its mask, (n,); NaN without any heat."""
    total = heat.sum(axis=(1, 2), dtype=np.float64)
    inside = (heat * masks).sum(axis=(1, 2), dtype=np.float64)
    shares = np.full(len(heat), np.nan)
    np.divide(inside, total, out=shares, where=total > 0)
    return shares


def agreement(first: Heat, second: Heat) -> NDArray[np.float64]:
    """Return the correlation of two heat maps of each patch, (n,), over cells of `STRIDE` pixels.

    It is NaN if one of the maps is constant.
    """
    centred = [cells - cells.mean(axis=1, keepdims=True) for cells in map(_cells, (first, second))]
    covariance = (centred[0] * centred[1]).sum(axis=1)
    spread = np.sqrt((centred[0] ** 2).sum(axis=1) * (centred[1] ** 2).sum(axis=1))
    found = np.full(len(first), np.nan)
    np.divide(covariance, spread, out=found, where=spread > 0)
    return found


def _cells(heat: Heat) -> NDArray[np.float64]:
    num_cells = heat.shape[1] // STRIDE
    means = [cv2.resize(each, (num_cells,) * 2, interpolation=cv2.INTER_AREA) for each in heat]
    return np.array(means, np.float64).reshape(len(heat), num_cells**2)


def _with_places(model: keras.Model) -> keras.Model:
    """Return the network with two outputs: the last spatial features and the logit."""
    first = next(layer for layer in model.layers if layer.name in models.PLACES_END)
    return keras.Model(model.input, [first.input, model.get_layer("probability").input])


def _resized(heat: Heat, size: int) -> Heat:
    return np.asarray(cv2.resize(heat, (size, size), interpolation=cv2.INTER_LINEAR), np.float32)
