"""What phases ask of graphs whose nodes are numbers."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]


def components(n: int, left: Ints, right: Ints) -> Ints:
    """The number of the connected component of each of ``n`` nodes, between which edges run."""
    # Here, because it takes a quarter of a second to load: statements can run meanwhile, and a run
    # that finds nothing new needs none.
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    graph = coo_matrix((np.ones(len(left), dtype=np.int8), (left, right)), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], dtype=np.int64)
