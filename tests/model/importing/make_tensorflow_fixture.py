"""Makes ``toy.ckpt`` and ``toy.npz`` beside this file with TensorFlow, for the importer's tests.

    python -m venv tf && tf/bin/pip install tensorflow-cpu==2.15.1
    tf/bin/python tests/model/importing/make_tensorflow_fixture.py

A toy of the port's network (docs/legacy.md: convolution, ReLU, batch norm; zeros beyond the edges;
heat map without end; bilinear up-scaling), built of the same kinds of TensorFlow layers, so that
its variables get the names that the port's have. ``toy.npz`` holds crops and what TensorFlow finds.
"""

from pathlib import Path

import numpy as np
import tensorflow as tf

SIZE, WIDTH, HIDDEN, POINTS, STAGES = 32, 1, 4, 5, 2
FOLDER = Path(__file__).parent
v1 = tf.compat.v1


def normalised(maps):
    return v1.layers.batch_normalization(maps, momentum=0.997, epsilon=1e-5, fused=True)


def trunk(maps):
    for block in range(4):
        for _ in range(2):
            n_out = WIDTH * 2**block
            maps = v1.layers.conv2d(maps, n_out, 3, padding="same", activation=tf.nn.relu)
            maps = normalised(maps)
        maps = v1.layers.max_pooling2d(maps, 2, 2)
    flat = tf.reshape(maps, [-1, np.prod(maps.shape[1:])])
    return normalised(v1.layers.dense(flat, HIDDEN, activation=tf.nn.relu))


def offsets_of(hidden):
    return tf.reshape(v1.layers.dense(hidden, 2 * POINTS), [-1, POINTS, 2])


def similarity(points, mean_shape):
    """Numbers a, b, tx, ty of x' = ax - by + tx, y' = bx + ay + ty, each (B, 1)."""
    centre, goal = tf.reduce_mean(points, 1), tf.reduce_mean(mean_shape, 0)
    x, y = tf.unstack(points - centre[:, None], axis=2)
    u, v = tf.unstack(mean_shape - goal, axis=1)
    spread = tf.reduce_sum(x * x + y * y, 1, keepdims=True)
    a = tf.reduce_sum(x * u + y * v, 1, keepdims=True) / spread
    b = tf.reduce_sum(x * v - y * u, 1, keepdims=True) / spread
    cx, cy = centre[:, :1], centre[:, 1:]
    return a, b, goal[0] - (a * cx - b * cy), goal[1] - (b * cx + a * cy)


def inverse(a, b, tx, ty):
    n = a * a + b * b
    return a / n, -b / n, -(a * tx + b * ty) / n, (b * tx - a * ty) / n


def moved(points, a, b, tx, ty):
    x, y = tf.unstack(points, axis=2)
    return tf.stack([a * x - b * y + tx, b * x + a * y + ty], axis=2)


def heat_map(points):
    rows, columns = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    x, y = tf.unstack(points[:, :, None, None], axis=4)  # (B, N, 1, 1) each
    distance = tf.sqrt((columns - x) ** 2 + (rows - y) ** 2)
    return 1 / (1 + tf.reduce_min(distance, 1))


def network(crops, mean_image, std_image, mean_shape):
    mean_image = v1.get_variable("imgs_mean", initializer=mean_image, trainable=False)
    std_image = v1.get_variable("imgs_std", initializer=std_image, trainable=False)
    mean_shape = v1.get_variable("shape_mean", initializer=mean_shape, trainable=False)
    images = (crops - mean_image) / std_image
    with v1.variable_scope("s1"):
        hidden = trunk(images)
        found = [mean_shape + offsets_of(hidden)]
    for number in range(2, STAGES + 1):
        with v1.variable_scope(f"s{number}"):
            forward = similarity(found[-1], mean_shape)
            a, b, tx, ty = inverse(*forward)
            zero = tf.zeros_like(a)
            warped = tf.raw_ops.ImageProjectiveTransformV3(
                images=images,
                transforms=tf.concat([a, -b, tx, b, a, ty, zero, zero], 1),
                output_shape=[SIZE, SIZE],
                fill_value=0.0,
                interpolation="BILINEAR",
            )
            points = moved(found[-1], *forward)
            feature = v1.layers.dense(hidden, (SIZE // 2) ** 2, activation=tf.nn.relu)
            feature = tf.reshape(feature, [-1, SIZE // 2, SIZE // 2, 1])
            feature = v1.image.resize_images(feature, [SIZE, SIZE])
            stack = tf.concat([warped, heat_map(points)[..., None], feature], 3)
            hidden = trunk(normalised(stack))
            found.append(moved(points + offsets_of(hidden), a, b, tx, ty))
    return tf.stack(found)


def sensible(name, shape, rng):
    """Random values that keep the maps of order one and move the points by a few pixels."""
    if name.endswith("kernel"):
        return rng.normal(0, (2 / np.prod(shape[:-1])) ** 0.5, shape)
    if name.endswith(("gamma", "moving_variance")):
        return rng.uniform(0.5, 1.5, shape)
    if name.endswith("bias") and shape == (2 * POINTS,):
        return rng.normal(0, 3, shape)
    return rng.normal(0, 0.3, shape)


def main():
    v1.disable_eager_execution()
    rng = np.random.default_rng(0)
    crops = rng.integers(0, 256, (3, 8, 8)).repeat(4, axis=1).repeat(4, axis=2)
    mean_image = rng.uniform(90, 140, (SIZE, SIZE, 1)).astype(np.float32)
    std_image = rng.uniform(40, 70, (SIZE, SIZE, 1)).astype(np.float32)
    mean_shape = rng.uniform(8, 24, (POINTS, 2)).astype(np.float32)
    points = network(np.float32(crops)[..., None], mean_image, std_image, mean_shape)
    v1.train.get_or_create_global_step()
    kernel = next(v for v in v1.global_variables() if v.op.name == "s1/conv2d/kernel")
    v1.train.AdamOptimizer().minimize(tf.reduce_sum(kernel), var_list=[kernel])  # its slots
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for variable in v1.global_variables():
            name, shape = variable.op.name, tuple(variable.shape.as_list())
            if name.startswith("s") and name != "shape_mean" and "Adam" not in name and shape:
                variable.load(sensible(name, shape, rng).astype(np.float32), session)
        found = session.run(points)
        v1.train.Saver().save(session, str(FOLDER / "toy.ckpt"), write_meta_graph=False)
    (FOLDER / "checkpoint").unlink()
    np.savez_compressed(FOLDER / "toy.npz", crops=crops.astype(np.uint8), points=found)


if __name__ == "__main__":
    main()
