"""Rows about masks from clicks: prompting a SOLO network, and refining crops.

The networks are those of the quick configurations, with random weights. What SOLO's heads say is
simulated, so that clicks find masks of a usual size.
"""

from collections.abc import Iterator

import torch
from detectron2.structures import Instances
from torch import Tensor, nn

from bestie.benchmark.rows import Bench, Row
from bestie.benchmark.timing import measure, measure_in_turn
from bestie.formats import RLEMasks, configs_folder, encode_window
from bestie.methods.pointwssis.prompted_solo import PromptedSOLO
from bestie.methods.pointwssis.refiner import MaskRefiner
from bestie.methods.solo.inference import HeadOutputs
from bestie.methods.solo.kernels import FEATURE_STRIDE
from bestie.training.setup import build_model, merge_config

__all__ = ["prompt_rows"]

POINTS, CLASSES = 100, 20
RADIUS = 20  # of the masks, pixels
SIZE = (192, 256)
TEACHER, REFINER = "quick/shapes_solo.yaml", "quick/shapes_refiner.yaml"


def prompt_rows(bench: Bench) -> Iterator[Row]:
    """100 clicks against one pass of the network, and refined crops per second."""
    yield from _prompting(bench)
    yield _refining(bench)


@torch.no_grad()
def _prompting(bench: Bench) -> Iterator[Row]:
    model = _build(bench, TEACHER, "MODEL.POINTWSSIS.PROMPT", "points")
    assert isinstance(model, PromptedSOLO)
    generator = torch.Generator().manual_seed(bench.seed)
    points = (torch.rand(POINTS, 2, generator=generator) * torch.tensor(SIZE)).to(bench.device)
    classes = torch.randint(CLASSES, (POINTS,), generator=generator).to(bench.device)
    sample = {"points": points, "point_classes": classes}
    images = torch.randn(1, 3, *SIZE, generator=generator).to(bench.device)
    outputs = _discs(model, images)

    @torch.no_grad()
    def network() -> None:
        model._predict(images)

    @torch.no_grad()
    def prompts() -> None:
        model.find(sample, outputs, SIZE, SIZE)

    setting = f"{POINTS} clicks, {SIZE[0]}x{SIZE[1]}, C {CLASSES}, quick teacher"
    calls = {"network": network, "prompts": prompts}
    measured = measure_in_turn(calls, bench.device, bench.repeat)
    yield bench.row("SOLO, one pass of the network", setting, measured["network"])
    yield bench.row("clicks to masks as RLE, without the network", setting, measured["prompts"])
    factor = 1 + measured["prompts"].median / measured["network"].median
    yield Row(
        "prompted inference against one pass of the network",
        setting,
        value=f"x {factor:.2f}",
        target="<= 1.5",
        met=bench.judge(factor <= 1.5),
    )


def _discs(model: PromptedSOLO, images: Tensor) -> HeadOutputs:
    """Outputs of the network with kernels and features of a disc around every cell."""
    class_logits, kernels, features = model._predict(images)
    of_level = []
    for side in model.grids:
        y, x = torch.meshgrid(*((torch.arange(side) + 0.5) / side * n for n in SIZE), indexing="ij")
        of_level.append(torch.stack([RADIUS**2 - y**2 - x**2, 2 * y, 2 * x, -torch.ones_like(y)]))
    discs = torch.cat([level.flatten(1).T for level in of_level]) / RADIUS
    kernels, features = torch.zeros_like(kernels[0]), torch.zeros_like(features[0])
    kernels[:, :4] = discs.to(kernels)
    stride = FEATURE_STRIDE
    y, x = ((torch.arange(n) + 0.5) * stride for n in features.shape[1:])
    y, x = torch.broadcast_tensors(y[:, None], x)
    features[:4] = torch.stack([torch.ones_like(y), y, x, y**2 + x**2]).to(features)
    return HeadOutputs([level[0] for level in class_logits], kernels, features)


def _refining(bench: Bench) -> Row:
    model = _build(bench, REFINER)
    assert isinstance(model, MaskRefiner)
    generator = torch.Generator().manual_seed(bench.seed)
    square = torch.ones(2 * RADIUS, 2 * RADIUS, dtype=torch.bool).numpy()
    corner = (torch.rand(POINTS, 2, generator=generator) * (torch.tensor(SIZE) - 2 * RADIUS)).int()
    instances = Instances(SIZE)
    instances.pred_masks = RLEMasks(
        [encode_window(square, top, left, SIZE) for top, left in corner.tolist()], SIZE
    )
    instances.points = corner.double() + RADIUS
    instances.pred_classes = torch.randint(CLASSES, (POINTS,), generator=generator)
    image = torch.randint(256, (3, *SIZE), generator=generator, dtype=torch.uint8)
    measurement = measure(
        lambda: model.refine({"image": image, "instances": instances}), bench.device, bench.repeat
    )
    per_second = POINTS / measurement.median
    return Row(
        "crops refined per second, masks read and written as RLE",
        f"{POINTS} masks, {SIZE[0]}x{SIZE[1]}, C {CLASSES}, quick refiner",
        1000 * measurement.median,
        measurement.spread,
        value=f"{per_second:.0f} per second",
        target=">= 20 on one core",
        met=bench.judge(per_second >= 20) if bench.device.type == "cpu" else None,
    )


def _build(bench: Bench, config_file: str, *options: str) -> nn.Module:
    """A network in evaluation mode; a teacher as PromptedSOLO."""
    settings = ["MODEL.DEVICE", str(bench.device), *options]
    settings += ["MODEL.SOLO.NUM_CLASSES", str(CLASSES), "MODEL.REFINER.NUM_CLASSES", str(CLASSES)]
    cfg = merge_config(str(configs_folder() / config_file), settings)
    if cfg.MODEL.META_ARCHITECTURE == "SOLO":
        cfg.MODEL.META_ARCHITECTURE = "PromptedSOLO"
    torch.manual_seed(bench.seed)
    return build_model(cfg).eval()
