import json
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
from detectron2.data import DatasetCatalog
from detectron2.utils.events import EventStorage

from bestie.formats import encode_mask, write_coco
from bestie.formats.ledger import read_ledger
from bestie.methods.pointwssis.hold_out import RECORD, ChooseCheckpoint, held_out_images, mask_iou
from bestie.methods.pointwssis.mappers import RefinerMapper
from bestie.training.setup import read_config
from bestie.training.trainer import Trainer

NAMES = [f"{number:02d}.png" for number in range(40)]


def test_images_are_drawn_by_share_and_seed_whatever_their_order():
    drawn = held_out_images(NAMES, 0.05, 3)
    assert len(drawn) == 2 and drawn == held_out_images(NAMES[::-1], 0.05, 3)
    assert drawn != held_out_images(NAMES, 0.05, 4)
    assert held_out_images(NAMES, 0.0, 3) == frozenset()


def test_one_image_at_least_is_held_out_and_one_trains():
    assert len(held_out_images(NAMES[:3], 0.05, 0)) == 1
    assert len(held_out_images(NAMES[:3], 0.99, 0)) == 2
    assert held_out_images(NAMES[:1], 0.5, 0) == frozenset()
    assert held_out_images([], 0.5, 0) == frozenset()


def test_iou_by_hand():
    one = torch.tensor([[[True, True, False]], [[False] * 3], [[False] * 3]])
    other = torch.tensor([[[False, True, True]], [[False] * 3], [[True, False, False]]])
    torch.testing.assert_close(mask_iou(one, other), torch.tensor([1 / 3, 1.0, 0.0]))


def run_hook(tmp_path, scores, period=2):
    """The steps of a training whose IoU after each measurement is given."""
    model = torch.nn.Linear(1, 1)
    answers = iter(scores)
    hook = ChooseCheckpoint(
        [{"file_name": "a.png"}] * 3,
        lambda batch: (torch.full((len(batch),), next(answers)), torch.zeros(len(batch))),
        period=period,
        batch_size=8,
        output_dir=str(tmp_path),
    )
    hook.trainer = SimpleNamespace(model=model, iter=0, start_iter=0, max_iter=6)
    hook.before_train()
    with EventStorage() as storage:
        hook.trainer.storage = storage
        for step in range(6):
            hook.trainer.iter = step
            torch.nn.init.constant_(model.weight, float(step + 1))
            hook.after_step()
            if (step + 1) % period == 0:  # as the hook that writes checkpoints
                torch.save({"model": model.state_dict()}, tmp_path / f"model_{step:07d}.pth")
    hook.after_train()
    assert model.training
    return model.weight.item(), json.loads((tmp_path / RECORD).read_text())


@pytest.mark.parametrize(
    ("scores", "step"), [((0.5, 0.75, 0.625), 4), ((0.5, 0.25, 0.625), 6), ((0.5, 0.5, 0.5), 2)]
)
def test_the_best_weights_are_the_final_ones(tmp_path, scores, step):
    weight, record = run_hook(tmp_path, scores)
    assert weight == step and record["step"] == step and record["IoU"] == max(scores)
    assert record["pairs"] == 3 and record["images"] == ["a.png"]
    (consumed,) = read_ledger(tmp_path)["checkpoint"]["consumed"]
    assert consumed["kind"] == "masks" and "1 image" in consumed["labels"]
    assert "held out" in consumed["labels"]


def test_without_checkpoints_only_the_last_step_is_measured(tmp_path):
    assert run_hook(tmp_path, (0.5,), period=100)[1]["step"] == 6


@pytest.fixture
def pairs(tmp_path):
    """Name of a data set of 4 images with 2 pairs each."""
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for number in range(1, 5):
        name = f"{number}.png"
        cv2.imwrite(str(tmp_path / name), rng.integers(0, 256, (48, 64, 3), dtype=np.uint8))
        images.append({"id": number, "file_name": name, "height": 48, "width": 64})
        for left in (4, 30):
            truth, rough = np.zeros((48, 64), bool), np.zeros((48, 64), bool)
            truth[10:30, left : left + 20], rough[14:34, left : left + 16] = True, True
            entry = {"image_id": number, "category_id": 1, "iscrowd": 0, "area": 400}
            entry |= {"id": len(annotations) + 1, "bbox": [left, 10, 20, 20]}
            entry |= {"segmentation": encode_mask(truth), "rough": encode_mask(rough)}
            annotations.append(entry | {"point": [left + 9.5, 19.5]})
    categories = [{"id": 1, "name": "thing"}]
    coco = {"images": images, "annotations": annotations, "categories": categories}
    write_coco(tmp_path / "pairs.json", coco)
    return f"coco:{tmp_path}/pairs.json:{tmp_path}"


def refiner_config(pairs, output, hold_out):
    options = {
        "DATASETS.TRAIN": f"('{pairs}',)",
        "OUTPUT_DIR": str(output),
        "MODEL.REFINER.HOLD_OUT": str(hold_out),
        "MODEL.REFINER.SIZE": "32",
        "SOLVER.MAX_ITER": "4",
        "SOLVER.WARMUP_ITERS": "1",
        "SOLVER.CHECKPOINT_PERIOD": "2",
        "SOLVER.IMS_PER_BATCH": "2",
        "DATALOADER.NUM_WORKERS": "0",
    }
    given = [part for pair in options.items() for part in pair]
    return read_config("configs/quick/shapes_refiner.yaml", given)


def test_a_training_holds_out_images_and_says_so(pairs, tmp_path):
    cfg = refiner_config(pairs, tmp_path / "out", 0.25)
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=False)
    trained = {sample["file_name"] for sample in trainer.data_loader.packed.dataset.dicts}
    trainer.train()
    record = json.loads((tmp_path / "out" / RECORD).read_text())
    assert len(trained) == 3 and len(record["images"]) == 1
    assert not trained & set(record["images"]) and record["pairs"] == 2
    final, best = (
        torch.load(tmp_path / "out" / name, weights_only=True)["model"]
        for name in ("model_final.pth", f"model_{record['step'] - 1:07d}.pth")
    )
    assert all(torch.equal(final[name], best[name]) for name in best)
    lines = (tmp_path / "out/metrics.json").read_text().splitlines()
    assert any("hold_out/IoU_rough" in json.loads(line) for line in lines)
    assert "checkpoint" in read_ledger(tmp_path / "out")


def test_0_switches_it_off(pairs, tmp_path):
    cfg = refiner_config(pairs, tmp_path / "out", 0.0)
    mapper = RefinerMapper(cfg, True)
    dicts = DatasetCatalog.get(pairs)
    assert len(mapper.samples(dicts)) == 8 and mapper.held_out(dicts) == []
    assert Trainer.build_model(cfg).training_hooks(cfg) == []
