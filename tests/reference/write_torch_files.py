"""Write `torch/`: run `PYTHONPATH=.:tests python tests/reference/write_torch_files.py` where PyTorch is installed."""

import torch
from helpers.vgg_files import TORCH, TORCH_NETWORKS, state_dict, torch_file


def tensors_of(network, **options):
    return {name: torch.tensor(array) for name, array in state_dict(TORCH_NETWORKS[network], **options).items()}


def save(tensors, name, kind="zip"):
    torch.save(tensors, torch_file(name, kind), _use_new_zipfile_serialization=kind == "zip")


def views():
    """All tensors in one storage, one of them also with its axes turned."""
    tensors, at = tensors_of("one", classifier=False), 0
    pool = torch.cat([tensor.flatten() for tensor in tensors.values()])
    turned = tensors["features.2.weight"].permute(3, 2, 1, 0).contiguous().permute(3, 2, 1, 0)
    for name, tensor in tensors.items():
        tensors[name] = pool[at : at + tensor.numel()].view(tensor.shape)
        at += tensor.numel()
    return tensors | {"features.2.weight": turned}


TORCH.mkdir(exist_ok=True)
for kind in ("zip", "legacy"):
    for network in TORCH_NETWORKS:
        save(tensors_of(network), network, kind)
    for dtype in ("float16", "bfloat16", "float64"):
        numbers = {name: tensor.to(getattr(torch, dtype)) for name, tensor in tensors_of("one").items()}
        save(numbers, f"one-{dtype}", kind)
save(views(), "one-views")
inside = {f"module.{name}": tensor for name, tensor in tensors_of("one").items()}
save({"epoch": 3, "state_dict": inside, "best": 0.5}, "one-checkpoint")
