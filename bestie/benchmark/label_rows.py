"""Rows about labels: pseudo labels, targets, self-refinement, grouping, peaks, synchronizations.

Every function here takes the settings of a run and yields rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

import torch
from torch import nn

from bestie.benchmark.rows import Bench, Row, density_name
from bestie.benchmark.scenes import DENSITIES, Scenes, simulate, weak_labels
from bestie.benchmark.timing import count_synchronisations, measure, measure_in_turn
from bestie.methods.bestie.batch_labels import BatchLabels
from bestie.methods.bestie.centers import ClusterSettings
from bestie.methods.bestie.grouping import group_pixels
from bestie.methods.bestie.inference import average_with_mirrored
from bestie.methods.bestie.meta_arch import BESTIE, Outputs
from bestie.methods.bestie.refinement import RefineSettings
from bestie.methods.pam.peak_points import find_peak_points

__all__ = [
    "grouping_rows",
    "label_model",
    "label_rows",
    "peak_rows",
    "refinement_rows",
    "synchronisation_rows",
]

# Images at inference: (height, width).
INFERENCE_SIZES = ((375, 500), (800, 1216))
QUICK_INFERENCE_SIZES = ((94, 125),)


def label_model(supervision: str, device: torch.device) -> BESTIE:
    """The model's part that makes labels, without a network."""
    model = BESTIE(
        backbone=nn.Identity(),
        head=nn.Identity(),
        pixel_mean=[0.0],
        pixel_std=[1.0],
        supervision=supervision,
        refine=RefineSettings(),
        cluster=ClusterSettings(),
    )
    return model.to(device)


def scenes_of(bench: Bench, density: str, classes: int, batch: int) -> Scenes:
    """Simulated scenes of a density, at the size of the training crop."""
    fewest, most, coverage = DENSITIES[density]
    size = (bench.side, bench.side)
    return simulate((fewest, most), coverage, size, batch, classes, bench.seed).to(bench.device)


def label_rows(bench: Bench) -> Iterator[Row]:
    """Pseudo labels in the loader's workers, and targets on the training device."""
    few, many = bench.class_numbers
    for density in DENSITIES:
        batch = 4
        calls, numbers = {}, {}
        for classes in (few, many):
            scenes = scenes_of(bench, density, classes, batch)
            name = density_name(density, classes, batch)
            numbers[name] = f"{scenes.instances} instances"
            calls["pseudo labels", name] = partial(_find_pseudo_labels, scenes)
            calls["targets", name] = partial(_find_targets, scenes, bench.device)
        measured = measure_in_turn(calls, bench.device, bench.repeat)
        for (what, name), measurement in measured.items():
            limits = {"limit_ms": 5} if bench.device.type == "cpu" else {}
            yield bench.row(what, name, measurement, batch, value=numbers[name], **limits)
        names = [density_name(density, classes, batch) for classes in (few, many)]
        both = ("pseudo labels", "targets")
        total = [sum(measured[what, name].median for what in both) for name in names]
        factor = total[1] / total[0]
        yield Row(
            "pseudo labels and targets",
            f"{density}, C {many} against C {few}",
            value=f"x {factor:.2f}; C {few}: {250 * total[0]:.1f} ms per image in total",
            target="no slower, within 10 %; <= 5 ms",
            met=bench.judge(factor <= 1.1, max(total) / batch <= 0.005),
        )


def _find_pseudo_labels(scenes: Scenes) -> None:
    """The work of the mapper for each image."""
    for sample in scenes.samples:
        points, classes = sample["points"].numpy(), sample["point_classes"].numpy()
        weak_labels(sample["semantic_map"].numpy(), points, classes)


def _find_targets(scenes: Scenes, device: torch.device) -> None:
    """All targets that the losses read, starting from the mapper's dicts."""
    targets = label_model("tags", device).pseudo_targets(scenes.labels(device), scenes.center.shape)
    targets.heatmap.at(targets.pixels)
    targets.weight_at_pixels()
    targets.offset_at_pixels()


def refinement_rows(bench: Bench) -> Iterator[Row]:
    """Self-refinement of tags and clicks; the log-probabilities are those of the loss."""
    for batch in (4,) if bench.quick else (1, 4, 16):
        for density in DENSITIES:
            for classes in bench.class_numbers:
                scenes = scenes_of(bench, density, classes, batch)
                labels, outputs, log_probability = _as_model_sees(scenes, bench.device)
                calls = {}
                for supervision in ("tags", "clicks"):
                    model = label_model(supervision, bench.device)
                    pseudo = model.pseudo_targets(labels, outputs.center.shape)
                    arguments = (labels, log_probability, outputs, pseudo)
                    calls[supervision] = partial(model.refined_targets, *arguments)
                judged = bench.device.type == "cpu" and batch == 4 and classes == 20
                limits = {"limit_ms": 40, "limit_ratio": 0.02} if judged else {}
                setting = density_name(density, classes, batch)
                measured = measure_in_turn(calls, bench.device, bench.repeat)
                for supervision, measurement in measured.items():
                    yield bench.row(
                        f"self-refinement, {supervision}", setting, measurement, batch, **limits
                    )


def grouping_rows(bench: Bench) -> Iterator[Row]:
    """Grouping of one image, from class probabilities on; with mirror: with averaging."""
    for size in QUICK_INFERENCE_SIZES if bench.quick else INFERENCE_SIZES:
        for density, (fewest, most, coverage) in DENSITIES.items():
            classes = bench.class_numbers[0]
            scenes = simulate((fewest, most), coverage, size, 1, classes, bench.seed)
            scenes = scenes.to(bench.device)
            _, outputs, log_probability = _as_model_sees(scenes, bench.device)
            maps = log_probability.exp(), outputs.center
            mirrored = [map_.flip(3) for map_ in maps]
            calls = {
                "without mirror": partial(_group, maps, outputs.offset),
                "with mirror": partial(_average_and_group, maps, mirrored, outputs.offset),
            }
            for name, measurement in measure_in_turn(calls, bench.device, bench.repeat).items():
                setting = f"{size[0]}x{size[1]}, {density}, C {classes}, {name}"
                judged = size == INFERENCE_SIZES[0] and bench.device.type == "cpu"
                limits = {"limit_ms": 30} if judged and name == "with mirror" else {}
                yield bench.row("grouping", setting, measurement, **limits)


def peak_rows(bench: Bench) -> Iterator[Row]:
    """Instance cues of a classifier's activation maps, one map per tag."""
    height, width = (94, 125) if bench.quick else (375, 500)
    generator = torch.Generator().manual_seed(bench.seed)
    for tags in (1, 3):
        maps = torch.rand(tags, 1, height // 16, width // 16, generator=generator)
        maps = nn.functional.interpolate(maps, (height, width), mode="bilinear").squeeze(1)
        maps = maps.to(bench.device)
        measurement = measure(partial(find_peak_points, maps), bench.device, bench.repeat)
        setting = f"{height}x{width}, {tags} tags"
        limits = {"limit_ms": 30} if bench.device.type == "cpu" else {}
        yield bench.row("peak extraction", setting, measurement, **limits)


def synchronisation_rows(bench: Bench) -> Iterator[Row]:
    """Waits for the device in a training step: targets, refinement and losses with their backward
    pass, from labels on the device and the network's outputs on."""
    simulated = "" if bench.device.type == "cuda" else ", counted on the CPU"
    for supervision in ("tags", "clicks"):
        scenes = scenes_of(bench, "medium", bench.class_numbers[0], 4)
        model = label_model(supervision, bench.device)
        labels, outputs, _ = _as_model_sees(scenes, bench.device)
        outputs = Outputs(*(output.requires_grad_() for output in outputs))
        step = partial(_label_step, model, labels, outputs)
        found = count_synchronisations(step, bench.device)
        yield Row(
            "device synchronisations a training step",
            f"{supervision}, batch 4{simulated}",
            synchronisations=found.total(),
            value=_listed(found),
            target="<= 2",
            met=found.total() <= 2,
        )


def _group(maps: Sequence[torch.Tensor], offset: torch.Tensor) -> None:
    group_pixels(maps[0][0], maps[1][0], offset[0], cluster=ClusterSettings())


def _average_and_group(
    maps: Sequence[torch.Tensor], mirrored: Sequence[torch.Tensor], offset: torch.Tensor
) -> None:
    for map_, other in zip(maps, mirrored, strict=True):
        average_with_mirrored(map_, other)  # the mean of equals: nothing changes
    _group(maps, offset)


def _label_step(model: BESTIE, labels: BatchLabels, outputs: Outputs) -> None:
    log_probability = outputs.semantic.log_softmax(1)
    pseudo = model.pseudo_targets(labels, outputs.center.shape)
    refined = model.refined_targets(labels, log_probability, outputs, pseudo)
    losses = model.losses(labels, log_probability, outputs, pseudo, refined)
    torch.stack(list(losses.values())).sum().backward()


def _as_model_sees(
    scenes: Scenes, device: torch.device
) -> tuple[BatchLabels, Outputs, torch.Tensor]:
    """Labels on the device, outputs with channels last, and log-probabilities."""
    maps = (scenes.logits, scenes.center, scenes.offset)
    outputs = Outputs(*(m.contiguous(memory_format=torch.channels_last) for m in maps))
    return scenes.labels(device), outputs, outputs.semantic.log_softmax(1)


def _listed(found: Counter) -> str:
    return ", ".join(f"{name} {number}" for name, number in found.items())
