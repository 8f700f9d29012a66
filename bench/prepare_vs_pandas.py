# SPDX-FileCopyrightText: 2026 The Orthoplex authors
# SPDX-License-Identifier: Apache-2.0
"""Times pandas.read_csv of an OGB edge file and prints one JSON object. Used by prepare_vs_pandas.sh."""
import json
import resource
import sys
import time

import pandas as pd

start = time.perf_counter()
edges = pd.read_csv(sys.argv[1], compression="gzip", header=None)
seconds = time.perf_counter() - start
assert edges.shape[1] == 2, edges.shape
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(dict(what="pandas.read_csv", edges=len(edges), seconds=round(seconds, 2),
                      edges_per_second=round(len(edges) / seconds), peak_rss_mib=round(peak))))
