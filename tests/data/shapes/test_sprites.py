"""Objects that are cut out, and the noise behind their textures."""

import numpy as np

from bestie.data.shapes.sprites import smooth_noise


def test_smooth_noise_has_unit_spread_and_the_correlation_length():
    noise = smooth_noise(np.random.default_rng(0), (300, 200), 8)
    assert noise.shape == (300, 200) and abs(noise.std() - 1) < 0.15
    near = np.corrcoef(noise[:-1].ravel(), noise[1:].ravel())[0, 1]
    far = np.corrcoef(noise[:-24].ravel(), noise[24:].ravel())[0, 1]
    assert near > 0.9 and abs(far) < 0.2
