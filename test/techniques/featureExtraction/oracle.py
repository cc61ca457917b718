"""Writes oracle.ts: what scikit-learn and NumPy make of the small data set that oracle.ts describes. usage: python oracle.py > oracle.ts"""
import json
import warnings

import numpy as np
import sklearn
from sklearn.covariance import ledoit_wolf
from sklearn.linear_model import LogisticRegression, RidgeCV
from sklearn.neighbors import KNeighborsClassifier, NearestCentroid
from sklearn.preprocessing import StandardScaler

warnings.filterwarnings('ignore')
N, D, C = 60, 6, 3
state = 42


def draw():
    global state
    state = state * 16807 % 2147483647
    return state / 2147483647


y = np.array([i % C if i % 7 else 0 for i in range(N)])
X = np.zeros((N, D))
for i in range(N):
    for j in range(D):
        X[i, j] = draw() + (0.4 if y[i] == j % C else 0)
    X[i, 4] = 1000 + 100 * X[i, 4]
    X[i, 5] = 7
X = X.astype(np.float32).astype(np.float64)
weights = np.array([1 + (i % 5) / 2 for i in range(N)])
Z = StandardScaler().fit_transform(X)


def logistic(penalty, sample_weight=None):
    S = StandardScaler().fit(X, sample_weight=sample_weight).transform(X)
    m = LogisticRegression(C=1 / penalty, tol=1e-12, max_iter=100000).fit(S, y, sample_weight=sample_weight)
    return {'penalty': penalty, 'logits': m.decision_function(S)[:8].tolist()}


out = {'sklearn': sklearn.__version__}
out['logistic'] = [logistic(p) for p in (100, 1, 0.01)]
out['balanced'] = logistic(1, N / (C * np.bincount(y))[y])
out['weighted'] = logistic(1, weights)

Y = np.eye(C)[y]
alphas = [10 ** (-2 + i / 2) for i in range(17)]
ridge = RidgeCV(alphas=alphas).fit(Z, Y)
out['ridge'] = {'penalty': float(ridge.alpha_), 'scores': ridge.predict(Z)[:8].tolist()}

means = np.stack([Z[y == c].mean(0) for c in range(C)])
within = Z - means[y]
covariance, shrinkage = ledoit_wolf(within, assume_centered=True)
precision = np.linalg.inv(covariance + 1e-12 * np.eye(D))
prior = np.bincount(y) / N
logits = Z @ precision @ means.T - 0.5 * np.sum(means @ precision * means, 1) + np.log(prior)
distance = np.stack([np.sum((Z - m) @ precision * (Z - m), 1) for m in means], 1).min(1)
out['lda'] = {'shrinkage': float(shrinkage), 'logits': logits[:8].tolist(), 'mahalanobis': distance[:8].tolist()}

nearest = NearestCentroid().fit(Z, y)
out['nearestMean'] = {'predictions': nearest.predict(Z).tolist()}

unit = Z / np.linalg.norm(Z, axis=1, keepdims=True)
# For unit vectors the squared Euclidean distance is 2 - 2 cos.
knn = KNeighborsClassifier(7, algorithm='brute', weights=lambda d: np.exp((1 - d * d / 2) / 0.07)).fit(unit[:50], y[:50])
out['knn'] = {'k': 7, 'probabilities': knn.predict_proba(unit[50:]).tolist()}
leave = [sum(int(KNeighborsClassifier(k, algorithm='brute', weights=lambda d: np.exp((1 - d * d / 2) / 0.07)).fit(np.delete(unit, i, 0), np.delete(y, i)).predict(unit[i:i + 1])[0] == y[i]) for i in range(N)) for k in (1, 3, 5, 10, 20)]
out['knnLeaveOneOut'] = leave


def rounded(v):
    if isinstance(v, float):
        return float('%.9g' % v)
    if isinstance(v, list):
        return [rounded(x) for x in v]
    if isinstance(v, dict):
        return {k: rounded(x) for k, x in v.items()}
    return v


print('''/**
 * A small data set with an uneven label distribution, a feature of another scale and a constant one, and what scikit-learn
 * and NumPy make of it. Written by oracle.py; everything is on standardised features.
 */
import { type Matrix, matrix } from '#graft/base/matrix.js'

export const CLASSES = 3

/** Features (60, 6), labels (60) and sample weights (60), from the generator of Park and Miller. */
export function smallSet(): { features: Matrix; labels: Int32Array; weights: Float64Array } {
  let state = 42
  const draw = () => {
    state = (state * 16807) % 2147483647
    return state / 2147483647
  }
  const features = matrix(60, 6)
  const labels = Int32Array.from({ length: 60 }, (_, i) => (i % 7 === 0 ? 0 : i % 3))
  for (let i = 0; i < 60; i++) {
    const values = Array.from({ length: 6 }, (_, j) => draw() + (labels[i] === j % 3 ? 0.4 : 0))
    values[4] = 1000 + 100 * values[4]!
    values[5] = 7
    features.data.set(values, i * 6)
  }
  return { features, labels, weights: Float64Array.from({ length: 60 }, (_, i) => 1 + (i % 5) / 2) }
}

export const ORACLE = ''' + json.dumps(rounded(out), indent=1) + ' as const')
