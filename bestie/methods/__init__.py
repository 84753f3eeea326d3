"""One folder per method: its configuration keys, its paper as pure functions, its network."""

from bestie.methods import bestie, mask_rcnn, pam, pointwssis, solo  # noqa: F401  (registration)
