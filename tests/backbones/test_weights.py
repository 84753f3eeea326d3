import pickle
import re
import resource

import numpy as np
import pytest
import timm
import torch
from detectron2 import model_zoo
from detectron2.engine import AMPTrainer, SimpleTrainer, hooks
from detectron2.modeling import build_model
from detectron2.solver import LRMultiplier
from fvcore.common.param_scheduler import PolynomialDecayParamScheduler
from torch import nn

from bestie.backbones.initial_weights import load_backbone_weights
from bestie.backbones.timm_backbone import TimmBackbone
from bestie.backbones.vgg import VGG16
from bestie.backbones.weight_files import read_model_file
from bestie.backbones.weights import StrictCheckpointer
from bestie.methods.bestie.heads import HRNetHead
from bestie.methods.pam.classifier import PAMClassifier


class TinyBestie(nn.Module):
    """Attributes as those of ``BESTIE``."""

    def __init__(self, num_classes=2, network="resnet18"):
        super().__init__()
        self.backbone = TimmBackbone(network, out_features=["res2"])
        self.head = HRNetHead(
            self.backbone.output_shape(), num_classes=num_classes, head_channels=4
        )


class TinyNetwork(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 1)

    def forward(self, data):
        return {"loss": self.layer(data).square().mean()}


def resnet18_state():
    return timm.create_model("resnet18").state_dict()


def make_mask_rcnn_cfg():
    cfg = model_zoo.get_config("COCO-InstanceSegmentation/mask_rcnn_R_50_FPN_1x.yaml")
    cfg.MODEL.DEVICE = "cpu"
    cfg.MODEL.RESNETS.DEPTH = 18
    cfg.MODEL.RESNETS.RES2_OUT_CHANNELS = 64
    cfg.MODEL.FPN.OUT_CHANNELS = 8
    cfg.MODEL.ROI_BOX_HEAD.FC_DIM = 8
    cfg.MODEL.ROI_HEADS.NUM_CLASSES = 2
    return cfg


# --- official weights ----------------------------------------------------------------------------


def test_checkpointer_knows_official_weights_by_their_names(tmp_path):
    model = PAMClassifier(
        backbone=VGG16(), num_classes=2, pixel_mean=[0.0] * 3, pixel_std=[1.0] * 3, head_channels=2
    )
    official = {}
    for name, value in model.state_dict().items():
        name = name.removeprefix("backbone.").replace("head.classifier", "extra_conv4")
        name = re.sub(r"head\.convs\.(\d)", lambda m: f"extra_conv{int(m[1]) + 1}", name)
        official[name] = torch.full_like(value, 0.5)
    torch.save({"state_dict": official}, tmp_path / "official.pth")
    StrictCheckpointer(model).load(str(tmp_path / "official.pth"))
    assert all((value == 0.5).all() for value in model.state_dict().values())


# --- checkpoints ---------------------------------------------------------------------------------


def official_hrnet(width):
    """Names of official weights of BESTIE, with a shape that tells the network's width."""
    network = timm.create_model(f"hrnet_w{width}", features_only=True, feature_location="")
    return network.state_dict() | {"seg.2.weight": torch.empty(21, 256, 1, 1)}


@pytest.mark.filterwarnings("ignore:for .* copying from a non-meta parameter")
def test_official_weights_of_another_network_are_called_so(tmp_path):
    torch.save({"model": official_hrnet(32)}, tmp_path / "w.pt")
    with torch.device("meta"):
        model = TinyBestie(20, network="hrnet_w48")
    expected = (
        "w.pt does not fit the model: the file looks like HRNet-W32, the model is HRNet-W48: "
        r"take a config of HRNet-W32, or a file of HRNet-W48\. Layers: \d+ missing in the file"
    )
    with pytest.raises(ValueError, match=expected):
        StrictCheckpointer(model).load(str(tmp_path / "w.pt"))
    with pytest.raises(ValueError, match="looks like HRNet-W32, the model is HRNet-W48"):
        load_backbone_weights(model.backbone, tmp_path / "w.pt")


def test_official_weights_of_another_method_name_its_configs(tmp_path):
    classifier = {"features.28.weight": torch.empty(1), "extra_conv4.weight": torch.empty(1)}
    torch.save({"model": classifier}, tmp_path / "PAM.pth")
    expected = r"the file is the official PAM classifier, for a config of configs/PAM\. Layers: "
    with pytest.raises(ValueError, match=expected) as error:
        StrictCheckpointer(TinyBestie()).load(str(tmp_path / "PAM.pth"))
    assert "MODEL.TIMM.WEIGHTS" not in str(error.value)
    torch.save({"model": official_hrnet(32)}, tmp_path / "w.pt")
    model = PAMClassifier(
        backbone=VGG16(), num_classes=2, pixel_mean=[0.0] * 3, pixel_std=[1.0] * 3, head_channels=2
    )
    with pytest.raises(ValueError, match="official network of BESTIE, for a config of configs/BE"):
        StrictCheckpointer(model).load(str(tmp_path / "w.pt"))


def test_saved_model_loads_again_and_leaves_no_temporary_file(tmp_path):
    saved, other = TinyBestie(), TinyBestie()
    StrictCheckpointer(saved, str(tmp_path)).save("model_0000001", iteration=1)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "last_checkpoint",
        "model_0000001.pth",
    ]
    checkpointer = StrictCheckpointer(other, str(tmp_path))
    assert checkpointer.resume_or_load("", resume=True)["iteration"] == 1
    for name, value in saved.state_dict().items():
        assert torch.equal(other.state_dict()[name], value)


def test_failing_save_keeps_the_last_checkpoint(tmp_path, monkeypatch):
    checkpointer = StrictCheckpointer(TinyNetwork(), str(tmp_path))
    checkpointer.save("model_a")

    def full_disk(content, file):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr("torch.save", full_disk)
    with pytest.raises(OSError, match="no space"):
        checkpointer.save("model_b")
    assert checkpointer.get_checkpoint_file() == str(tmp_path / "model_a.pth")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["last_checkpoint", "model_a.pth"]


def test_a_full_disk_is_called_by_its_name(tmp_path):
    """A limit on the size of files stands in for it."""
    checkpointer = StrictCheckpointer(nn.Linear(500, 500), str(tmp_path))
    checkpointer.save("first")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large.*second.pth"):
            checkpointer.save("second")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first.pth", "last_checkpoint"]
    assert checkpointer.get_checkpoint_file().endswith("first.pth")


def test_missing_and_unexpected_names_stop_the_run(tmp_path):
    state = TinyBestie().state_dict()
    state["head.extra.weight"] = state.pop("head.center.0.weight")
    torch.save({"model": state}, tmp_path / "w.pth")
    expected = (
        r"MODEL.WEIGHTS: .*w.pth does not fit the model: 1 missing in the file "
        r"\(head.center.0.weight\); 1 in the file only \(head.extra.weight\)\.$"
    )
    checkpointer = StrictCheckpointer(TinyBestie())
    for _ in range(2):  # the checkpointer survives the error
        with pytest.raises(ValueError, match=expected):
            checkpointer.load(str(tmp_path / "w.pth"))


def test_another_number_of_classes_is_said_so(tmp_path):
    StrictCheckpointer(TinyBestie(num_classes=5), str(tmp_path)).save("w")
    with pytest.raises(
        ValueError,
        match="model: the file is for 5 classes, the model for 2. Layers: 4 of another shape",
    ) as e:
        StrictCheckpointer(TinyBestie(num_classes=2)).load(str(tmp_path / "w.pth"))
    assert "missing" not in str(e.value)


def test_imagenet_weights_as_a_whole_model_are_pointed_to_their_key(tmp_path):
    torch.save(resnet18_state(), tmp_path / "w.pth")
    with pytest.raises(ValueError, match=r"belong to MODEL.TIMM.WEIGHTS .*Layers: .*\.\.\.\)"):
        StrictCheckpointer(TinyBestie()).load(str(tmp_path / "w.pth"))


def test_missing_file_is_a_mistake_of_the_user(tmp_path):
    with pytest.raises(ValueError, match="MODEL.WEIGHTS: .*nothing.pth is not a file"):
        StrictCheckpointer(TinyNetwork()).load(str(tmp_path / "nothing.pth"))


def test_query_of_the_path_decides_about_the_matching_of_names(tmp_path):
    source, model = TinyNetwork(), nn.ModuleDict({"part": TinyNetwork()})
    torch.save({"model": source.state_dict()}, tmp_path / "w.pth")
    path = str(tmp_path / "w.pth")
    StrictCheckpointer(model).load(f"{path}?matching_heuristics=True")
    assert model["part"].layer.weight.equal(source.layer.weight)
    for query in ("", "?matching_heuristics=False"):
        with pytest.raises(ValueError, match="does not fit the model"):
            StrictCheckpointer(model).load(path + query)
    with pytest.raises(ValueError, match="True or False is accepted, got heuristics=1"):
        StrictCheckpointer(model).load(f"{path}?heuristics=1")


def test_a_folder_may_have_a_question_mark_in_its_name(tmp_path):
    folder = tmp_path / "what? a=1 #2"
    folder.mkdir()
    model = TinyNetwork()
    torch.save({"model": TinyNetwork().state_dict()}, folder / "w.pth")
    for query in ("", "?matching_heuristics=True"):
        StrictCheckpointer(model).load(str(folder / "w.pth") + query)
    with pytest.raises(ValueError, match="is not a file"):
        StrictCheckpointer(model).load(str(folder / "v.pth?matching_heuristics=True"))


def test_files_of_pycls_are_matched_by_name(tmp_path):
    state = TinyNetwork().state_dict()
    counters = {f"{name}.num_batches_tracked": torch.tensor(1) for name in state}
    torch.save({"model_state": state | counters}, tmp_path / "w.pyth")
    content = read_model_file(tmp_path / "w.pyth")
    assert content.pop("model").keys() == state.keys()
    assert content == {"__author__": "pycls", "matching_heuristics": True}
    torch.save({"model": state}, tmp_path / "w.pyth")
    with pytest.raises(ValueError, match="has no model_state"):
        read_model_file(tmp_path / "w.pyth")


def backbone_pickle(model, path, **more):
    """The bottom-up network of a detector, as Detectron2's ImageNet files hold it."""
    arrays = {
        name.removeprefix("backbone.bottom_up."): value.numpy()
        for name, value in model.state_dict().items()
        if name.startswith("backbone.bottom_up.")
    }
    content = {"model": arrays | more, "__author__": "test", "matching_heuristics": True}
    path.write_bytes(pickle.dumps(content))


def test_detector_starts_from_an_imagenet_backbone_and_from_nothing_less(tmp_path):
    path = tmp_path / "R-18.pkl"
    source, target = build_model(make_mask_rcnn_cfg()), build_model(make_mask_rcnn_cfg())
    backbone_pickle(source, path, **{"stem.fc.weight": np.ones(1, np.float32)})
    StrictCheckpointer(target, allow_backbone_only=True).load(str(path))
    name = "backbone.bottom_up.res5.1.conv2.weight"
    assert torch.equal(target.state_dict()[name], source.state_dict()[name])

    # Only where a training starts: an evaluation or an export of random heads is refused.
    with pytest.raises(ValueError, match="missing in the file"):
        StrictCheckpointer(target).load(str(path))

    # A layer of another backbone; a part of the heads.
    for extra in ("res5.7.conv1.weight", "roi_heads.box_predictor.cls_score.bias"):
        backbone_pickle(source, path, **{extra: np.ones(3, np.float32)})
        with pytest.raises(ValueError, match="does not fit the model"):
            StrictCheckpointer(target, allow_backbone_only=True).load(str(path))
    incomplete = pickle.loads(path.read_bytes())
    del incomplete["model"]["res5.1.conv2.weight"]
    path.write_bytes(pickle.dumps(incomplete))
    with pytest.raises(ValueError, match="missing in the file"):
        StrictCheckpointer(target, allow_backbone_only=True).load(str(path))


def make_trainer(folder, trainer_class=SimpleTrainer, **options):
    model = TinyNetwork()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    schedule = LRMultiplier(optimizer, PolynomialDecayParamScheduler(1.0, 0.9), max_iter=10)
    data = [torch.tensor([1.0, float(step)]) for step in range(10)]
    trainer = trainer_class(model, data, optimizer, **options)
    checkpointer = StrictCheckpointer(model, str(folder), trainer=trainer)
    trainer.register_hooks(
        [hooks.LRScheduler(scheduler=schedule), hooks.PeriodicCheckpointer(checkpointer, period=3)]
    )
    return trainer, checkpointer, schedule


def test_training_resumes_from_a_file_read_without_code(tmp_path):
    whole, _, _ = make_trainer(tmp_path)
    whole.train(0, 5)
    resumed, checkpointer, schedule = make_trainer(tmp_path)
    rest = checkpointer.load(str(tmp_path / "model_0000002.pth"))
    assert rest["iteration"] == resumed.iter == 2 and schedule.last_epoch == 3
    for _ in range(3):
        next(resumed._data_loader_iter)  # what the interrupted run had seen
    resumed.train(3, 5)
    torch.testing.assert_close(resumed.model.state_dict(), whole.model.state_dict())


def test_gradient_scaler_survives_a_file_read_without_code(tmp_path):
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    _, checkpointer, _ = make_trainer(tmp_path, AMPTrainer, grad_scaler=scaler)
    checkpointer.save("model", iteration=4)
    other = torch.amp.GradScaler("cpu")
    _, checkpointer, _ = make_trainer(tmp_path, AMPTrainer, grad_scaler=other)
    assert checkpointer.resume_or_load("", resume=True)["iteration"] == 4
    assert other.get_scale() == 8.0
