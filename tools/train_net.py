#!/usr/bin/env python3
"""Train or evaluate any model of this project: BESTIE, the PAM classifier, Mask R-CNN.

Examples:
    tools/train_net.py --config-file configs/BESTIE/voc_clicks_hrnet48.yaml --num-gpus 4
    tools/train_net.py --config-file CONFIG --resume
    tools/train_net.py --config-file CONFIG --eval-only MODEL.WEIGHTS output/model_final.pth

With MODEL.DEVICE cpu, --num-gpus is the number of processes.
"""

from detectron2.engine import default_argument_parser

from bestie.training import Trainer, load_model, setup
from bestie.training.launch import launch_tool


def main(args):
    cfg = setup(args, training=True)
    if args.eval_only:
        return Trainer.test(cfg, load_model(cfg, resume=args.resume))
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


if __name__ == "__main__":
    parser = default_argument_parser(epilog=__doc__)
    parser.set_defaults(dist_url="auto")
    launch_tool(main, parser.parse_args())
