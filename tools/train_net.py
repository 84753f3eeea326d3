#!/usr/bin/env python3
"""Train or evaluate any model of this project: BESTIE, the PAM classifier, Mask R-CNN.

Example:
    python tools/train_net.py --config-file configs/BESTIE/voc_clicks_hrnet48.yaml --num-gpus 4
    python tools/train_net.py --config-file CONFIG --eval-only MODEL.WEIGHTS output/model_final.pth
"""

import sys

from detectron2.engine import default_argument_parser

from bestie.engine import Trainer, load_model, setup
from bestie.engine.launch import launch, requested_device


def main(args):
    cfg = setup(args, training=True)
    if args.eval_only:
        return Trainer.test(cfg, load_model(cfg))
    trainer = Trainer(cfg)
    trainer.resume_or_load(resume=args.resume)
    return trainer.train()


if __name__ == "__main__":
    arguments = default_argument_parser(epilog=__doc__).parse_args()
    try:
        launch(
            main,
            arguments.num_gpus,
            num_machines=arguments.num_machines,
            machine_rank=arguments.machine_rank,
            dist_url=arguments.dist_url,
            args=(arguments,),
            device=requested_device(arguments.config_file, arguments.opts),
        )
    except ValueError as error:
        sys.exit(f"error: {error}")
