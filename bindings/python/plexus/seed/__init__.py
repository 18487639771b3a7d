"""The command lines and imports of the first project, on this package: a folder `training` with convert.py and
dataloader.py. `python -m plexus.seed` prints where it lies:

    cd "$(python -m plexus.seed)" && python training/convert.py IN.jsonl OUT.qubgpu --tokenizer NAME
    PYTHONPATH="$(python -m plexus.seed)" python train.py    # from training.dataloader import QubGPUDataset
"""
