"""PointWSSIS: masks of a few images, clicks on the rest (Kim et al., CVPR 2023)."""
