"""The keys of this package beside those of Detectron2."""

from collections.abc import Iterator
from typing import Any

from detectron2.config import CfgNode, get_cfg

from bestie.config import add_bestie_config
from bestie.method import METHODS


def flat(cfg: CfgNode, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted name and value of every key."""
    for name, value in cfg.items():
        if isinstance(value, CfgNode):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def with_our_keys() -> CfgNode:
    cfg = get_cfg()
    add_bestie_config(cfg)
    return cfg


def test_detectron2s_own_keys_keep_their_defaults():
    """A model of Detectron2 is what it was: SEED is the one that a run needs to be repeatable."""
    before, after = dict(flat(get_cfg())), dict(flat(with_our_keys()))
    changed = {name for name, value in before.items() if after.get(name) != value}
    assert changed == {"SEED"} and after["SEED"] == 0


def test_every_method_brings_its_keys():
    base = set(dict(flat(with_our_keys())))
    for method in METHODS.values():
        alone = get_cfg()
        alone.MODEL.TIMM = CfgNode()
        method.add_config(alone)
        assert {name for name, _ in flat(alone)} <= base, method.name


def test_configs_share_no_list():
    first, second = with_our_keys(), with_our_keys()
    for name, value in flat(first):
        if isinstance(value, list):
            value.append("changed")
            owner, *path = name.split(".")
            other = second[owner]
            for part in path:
                other = other[part]
            assert "changed" not in other, name


def test_a_dumped_config_is_read_back_as_it_was(tmp_path):
    cfg, other = with_our_keys(), with_our_keys()
    cfg.INPUT.SCALES, cfg.SEED, cfg.DATASETS.CLASS_NAMES = [1.0], 5, ["dining table", "犬"]
    (tmp_path / "config.yaml").write_text(cfg.dump())
    other.merge_from_file(str(tmp_path / "config.yaml"))
    assert dict(flat(other)) == dict(flat(cfg))
