"""Makes distances.json: CORAL and maximum mean discrepancies by NumPy and scikit-learn, in double precision.

    python test/losses/domain/distances.py > test/losses/domain/distances.json

The samples are sin(seed + 3 i), as `waves` of test/support/compare.ts writes them, rounded to float32.
"""

import json

import numpy as np
from sklearn.metrics.pairwise import euclidean_distances, rbf_kernel

FACTORS = [0.125, 0.25, 0.5, 1, 2]


def waves(seed, rows, columns):
    values = np.sin(seed + 3 * np.arange(rows * columns)).astype(np.float32)
    return values.reshape(rows, columns).astype(np.float64)


def coral(a, b):
    d = a.shape[1]
    return float(np.linalg.norm(np.cov(a, rowvar=False) - np.cov(b, rowvar=False), "fro") ** 2 / (4 * d * d))


def mmd(a, b):
    z = np.vstack([a, b])
    n = len(z)
    bandwidth = euclidean_distances(z, squared=True).sum() / (n * (n - 1))
    kernel = sum(rbf_kernel(z, gamma=1 / (f * bandwidth)) for f in FACTORS)
    first, second = kernel[: len(a), : len(a)], kernel[len(a) :, len(a) :]
    return float(first.mean() + second.mean() - 2 * kernel[: len(a), len(a) :].mean())


cases = []
for rows, others, columns in [(4, 4, 3), (6, 9, 5), (16, 12, 8)]:
    a, b = waves(1, rows, columns), 0.5 + 2 * waves(2, others, columns)
    cases.append({"rows": rows, "others": others, "columns": columns, "coral": coral(a, b), "mmd": mmd(a, b)})
print(json.dumps(cases, indent=2))
