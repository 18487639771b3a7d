"""What needs torch to be imported."""
from torch.utils.data import IterableDataset


class Batches(IterableDataset):
    """A plexus.data.Loader as torch knows it: DataLoader(Batches(loader), batch_size=None)."""

    def __init__(self, loader):
        super().__init__()
        self.loader = loader

    def __iter__(self):
        return iter(self.loader)

    def state_dict(self):
        """Where the loader is."""
        return self.loader.state_dict()

    def load_state_dict(self, state):
        """Go on from there."""
        self.loader.load_state_dict(state)
