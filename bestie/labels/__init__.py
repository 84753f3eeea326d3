"""The papers: pure functions on arrays and tensors, without configuration, files or registries.

Step order: ``points`` (activation maps to cues), ``semantic_maps`` (activation maps to weak maps),
``components`` and ``pseudo_labels`` (maps and points to accepted instances), ``targets`` (instances
to regression targets), ``grouping`` (network outputs to instances) and ``refinement`` (network
outputs to refined targets). Called by the mappers, the meta-architectures, the tools and the
evaluation.
"""
