"""What others call the options of `striate train`: words of PyTorch, fastai, Keras, timm and Ultralytics."""

import types
from collections.abc import Collection, Mapping

from striate.base.errors import nearest

_CALLED: Mapping[str, str] = {
    "accumulate": "grad_accum grad_accumulation accumulation_steps gradient_accumulation_steps accumulate_grad_batches",
    "augment": "aug augs augmentation augmentations aa auto_augment transform transforms tfms data_augmentation",
    "batch": "bs batch_size batchsize train_batch_size minibatch",
    "channels": "in_channels in_chans input_channels n_channels num_channels grayscale greyscale",
    "clip": "grad_clip clip_grad clip_norm clipnorm max_norm max_grad_norm gradient_clip gradient_clip_val",
    "colour_noise": "color_noise pca_noise lighting",
    "compile": "torch_compile torchcompile jit",
    "crop": "random_crop rrc random_resized_crop",
    "data": "data_dir data_path dataset dataset_path train_dir traindir root input_dir images img_dir",
    "device": "gpu gpus gpu_id cuda cpu accelerator use_cuda devices",
    "dropout": "drop drop_rate dropout_rate p_drop",
    "ema": "ema_decay model_ema swa",
    "epochs": "n_epochs num_epochs nb_epochs n_epoch max_epochs nepochs",
    "erase": "random_erasing reprob erasing cutout",
    "finetune": "fine_tune freeze freeze_layers freeze_backbone frozen_stages",
    "flip": "vflip flipud vertical_flip flip_vert",
    "keep_sealed": "no_test holdout skip_test",
    "groups": "group group_by group_col group_column group_key group_id groupby patients patient_id subject_id",
    "imbalance": "class_weight class_weights balanced balance sampler weighted_sampler class_balance oversample",
    "label_smoothing": "smoothing ls",
    "layer_decay": "llrd lr_mult layerwise_decay discriminative_rates",
    "masks": "mask_dir mask_type",
    "magnitude": "ra_magnitude randaugment_m ra_m",
    "mirror": "hflip fliplr horizontal_flip random_flip do_flip",
    "model": "arch architecture net network backbone model_name",
    "momentum": "beta1 mom",
    "operations": "num_ops n_ops ra_n randaugment_n",
    "optimizer": "opt optim optimiser opt_func solver",
    "patience": "early_stop early_stopping earlystopping",
    "precision": "fp16 amp half bf16 mixed_precision dtype autocast use_amp",
    "rate": "lr lr0 learning_rate base_lr init_lr initial_lr lr_max max_lr eta",
    "resume": "resume_from resume_from_checkpoint continue ckpt_path",
    "rotate": "degrees rotation max_rotate random_rotation",
    "runs": "output out out_dir output_dir outdir save_dir save_path log_dir logdir project results_dir work_dir",
    "save_every": "save_freq save_period checkpoint_every",
    "scale": "zoom max_zoom random_scale",
    "schedule": "sched scheduler lr_scheduler lr_schedule policy",
    "seed": "random_state random_seed manual_seed rng",
    "shift": "translate width_shift_range height_shift_range",
    "size": "imgsz img_size image_size imagesize input_size resolution target_size img_sz imsize",
    "split": "val_split validation_split test_size test_split valid_pct val_size val_pct train_split val_ratio",
    "step_epochs": "milestones step_size decay_epochs",
    "step_factor": "gamma lr_gamma decay_rate lr_decay",
    "sync_norms": "sync_bn syncbn sync_batchnorm sync_batch_norm use_sync_bn bn_sync",
    "task": "mode problem",
    "warmup": "warmup_epochs warm_up warmup_steps",
    "weight_decay": "wd decay l2 l2_reg weight_decay_rate",
    "weights": "pretrained init_from checkpoint ckpt load_from from_pretrained pretrained_weights",
    "workers": "num_workers n_workers nworkers n_jobs num_proc data_workers threads",
}
SYNONYMS = types.MappingProxyType({word: name for name, words in _CALLED.items() for word in words.split()})
# What is no option here, because something else decides it.
DECIDED: Mapping[str, str] = types.MappingProxyType({
    **dict.fromkeys(("num_classes", "n_classes", "nc", "classes"), "leaving it out: the data say how many there are"),
    **dict.fromkeys(("loss", "criterion", "loss_func", "metric", "metrics"), "leaving it out: the task decides it"),
    **dict.fromkeys(("shuffle", "pin_memory"), "leaving it out: it is done anyway"),
})  # fmt: skip


def called(name: str, known: Collection[str]) -> str | None:
    """Which of the `known` options, in the letters of a recipe, somebody means by `name`; None where none is near."""
    said = name.strip("-").lower().replace("-", "_").partition(".")[0]
    said = said if said in known else SYNONYMS.get(said.removeprefix("no_"), said)
    return said if said in known else next(iter(nearest(said.removeprefix("no_"), known)), None)
