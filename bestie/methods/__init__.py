"""One package per method: its configuration keys, its paper as pure functions, its network."""

from bestie.methods import bestie, mask_rcnn, pam  # noqa: F401  (registration)
