"""from training.dataloader import QubGPUDataset, as plexus.data has it."""
import os
import sys

try:
    from plexus.data import Dataset, Loader, QubGPUDataset
except ModuleNotFoundError:  # not installed: the package that this file lies in
    sys.path.append(os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", "..")))
    from plexus.data import Dataset, Loader, QubGPUDataset

__all__ = ["Dataset", "Loader", "QubGPUDataset"]
