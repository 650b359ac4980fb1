"""The SLDC algorithm of Neumann et al. 2013 written out plainly, with the full residual: slow, an oracle.

The stages are those of the paper's section 4: deflation for the start, block coordinate descent on the weights, ADMM on
the components, centers at the largest displacement. Objective: ‖X - W C‖² + Σ λ s ‖c‖. The start takes the side of a
singular vector that holds more of it; the authors' program scales both sides to maximum 1 before it compares them.
"""

import numpy as np
from scipy.linalg import cho_factor, cho_solve


def project(w, signed=False):
    w = w if signed else np.maximum(w, 0)
    return w / np.abs(w).max() if np.abs(w).max() > 0 else w * 0


def plain_sldc(X, support, k, lam, outer, rho=10.0, admm=10, signed=False):
    """Run `outer` iterations on X [F, N, 3]; `support(i)` is s around Gaussian i, [N]. Return W, C, objectives."""
    frames = len(X)
    R = X.copy()
    W, C, centers = [], [], []
    for _ in range(k):
        center = (R**2).sum(axis=(0, 2)).argmax()
        u, s, _ = np.linalg.svd(R[:, center], full_matrices=False)
        side = max(u[:, 0], -u[:, 0], key=lambda side: (np.maximum(side, 0) ** 2).sum())
        w = project(s[0] * side, signed)
        c = (1 - support(center))[:, None] * np.tensordot(w, R, 1) / (w @ w)
        R -= np.multiply.outer(w, c)
        W.append(w)
        C.append(c)
    W, C = np.array(W).T, np.array(C)
    U = np.zeros_like(C)
    objectives = []
    for _ in range(outer):
        for j in range(k):
            length = (C[j] ** 2).sum()
            if length <= 1e-8:
                W[:, j] = 0
                continue
            R += np.multiply.outer(W[:, j], C[j])
            W[:, j] = project(np.tensordot(R, C[j], 2) / length, signed)
            R -= np.multiply.outer(W[:, j], C[j])
        centers = np.linalg.norm(C, axis=2).argmax(axis=1)
        Lambda = lam * np.array([support(center) for center in centers], dtype=np.float64)
        factor = cho_factor(2 * W.T @ W + rho * np.eye(k))
        WtX = np.tensordot(W.T, X, 1)
        Z = C
        for _ in range(admm):
            A = cho_solve(factor, (2 * WtX + rho * (Z - U)).reshape(k, -1)).reshape(C.shape)
            V = A + U
            norms = np.linalg.norm(V, axis=2)
            with np.errstate(divide="ignore", invalid="ignore"):
                shrink = np.where(norms > 0, np.maximum(0, 1 - Lambda / rho / norms), 0)
            Z = shrink[:, :, None] * V
            U = V - Z
        C = Z
        R = X - np.tensordot(W, C, 1)
        objectives.append((R**2).sum() + (Lambda * np.linalg.norm(C, axis=2)).sum())
    assert W.shape == (frames, k)
    return W, C, np.array(objectives)
