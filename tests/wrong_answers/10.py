# %% exercise 1, wrong 1: must say "directions of *largest* variance"
def pca_bytes(vectors, size):
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
    u = centred @ directions[:, :size]
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    step = np.abs(u).max(axis=0) / 127
    return np.rint(u / step).astype(np.int8), step


# %% exercise 1, wrong 2: must say "every column has a step of its own"
def pca_bytes(vectors, size):
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
    u = centred @ directions[:, ::-1][:, :size]
    u /= np.linalg.norm(u, axis=1, keepdims=True)
    step = np.abs(u).max() / 127
    return np.rint(u / step).astype(np.int8), step


# %% exercise 1, wrong 3: must say "scale the rows before rounding"
def pca_bytes(vectors, size):
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred / len(vectors))
    u = centred @ directions[:, ::-1][:, :size]
    step = np.abs(u).max(axis=0) / 127
    return np.rint(u / step).astype(np.int8), step


# %% exercise 2, wrong 1: must say "is the regret taken against the best of *each task*"
def least_regret(values):
    values = np.asarray(values, dtype=float)
    worst = (values.max() - values).max(axis=0)
    return int(worst.argmin()), float(worst.min())


# %% exercise 2, wrong 2: must say "the largest over the tasks, not the smallest"
def least_regret(values):
    regret = values.max(axis=1, keepdims=True) - values
    best = regret.min(axis=0)
    return int(np.lexsort((regret.sum(axis=0), best))[0]), float(best.min())


# %% exercise 2, wrong 3: must say "that is the best mean"
def least_regret(values):
    chosen = int(np.mean(values, axis=0).argmax())
    return chosen, float((values.max(axis=1) - values[:, chosen]).max())


# %% exercise 3, wrong 1: must say "a weak one makes any gain"
def plan():
    return {"opponent": "a", "twin": "c", "weights": "b", "unit": "c", "cost": "b"}


# %% exercise 3, wrong 2: must say "questions that chose the weights can't report"
def plan():
    return {"opponent": "b", "twin": "c", "weights": "a", "unit": "c", "cost": "b"}


# %% exercise 3, wrong 3: must say "counted one by one they make the interval too narrow"
def plan():
    return {"opponent": "b", "twin": "c", "weights": "b", "unit": "a", "cost": "b"}


# %% exercise 3, wrong 4: must say "it must differ in the one thing that is praised"
def plan():
    return {"opponent": "b", "twin": "b", "weights": "b", "unit": "c", "cost": "b"}


# %% exercise 4, wrong 1: must say "the arithmetic is right"
def what_is_wrong():
    return set("abcde")


# %% exercise 4, wrong 2: must say "who stands in Report 2 and is missing in Report 1?"
def what_is_wrong():
    return {"c"}


# %% exercise 4, wrong 3: must say "look up what 'default' mixes"
def what_is_wrong():
    return {"a", "b", "c"}


# %% exercise 5, wrong 1: must say "one long vector a text with as many bytes"
def controls():
    return {1: "b", 2: "b", 3: "a", 4: "d"}


# %% exercise 5, wrong 2: must say "more queries of the same collection"
def controls():
    return {1: "c", 2: "b", 3: "a", 4: "f"}


# %% exercise 5, wrong 3: must say "if any score helped, it would"
def controls():
    return {1: "c", 2: "b", 3: "e", 4: "d"}
