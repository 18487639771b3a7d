"""plexus: training data and models, in memory that is mapped and shared, not copied; gradients, summed
over the processes of a job."""

from . import _plexus
from ._plexus import Error, View, __version__, guard

# One class for each error of the table (include/plexus/err.h), below plexus.Error.
_errors = {k: v for k, v in vars(_plexus).items()
           if isinstance(v, type) and issubclass(v, BaseException)}
globals().update(_errors)

from . import data  # noqa: E402  (it uses the errors)
from .reduce import allreduce, join  # noqa: E402


class Model:
    """A model file (GGUF). Tensors are views into its mapping, which lives as long as they do."""

    def __init__(self, path):
        self._file = _plexus.Gguf(path)
        self.types = self._file.tensors()

    def __iter__(self):
        return iter(self.types)

    def __len__(self):
        return len(self.types)

    @property
    def data(self):
        """The whole file as a View of bytes."""
        return self._file.bytes()

    def tensor(self, name):
        """The tensor as a View, slowest dimension first. Quantised ones are rows of bytes."""
        return self._file.tensor(name)


class Shard(Model):
    """A part of a model as the store of models holds it: a model file with some of the tensors."""


def open(path):  # pylint: disable=redefined-builtin
    """The model file at `path`, mapped. plexus.data.open opens training data."""
    return Model(path)


__all__ = ["Error", "Model", "Shard", "View", "__version__", "allreduce", "data", "guard", "join", "open",
           *_errors]
