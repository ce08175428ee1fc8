# Two plausible wrong answers for each exercise of lesson 05, and what the checker must say. Read by tests/test_exercises.py, never imported.
# ruff: noqa

# %% exercise 1, wrong 1: must say "argpartition finds the smallest"
def best_rows(query, documents, k):
    scores = documents @ query
    rows = np.argpartition(scores, k - 1)[:k]
    rows = rows[np.argsort(-scores[rows])]
    return rows, scores[rows]


# %% exercise 1, wrong 2: must say "in the wrong order"
def best_rows(query, documents, k):
    scores = documents @ query
    rows = np.argpartition(-scores, k - 1)[:k]
    return rows, scores[rows]


# %% exercise 2, wrong 1: must say "what is missing counts as missed"
def recall_at_k(found, exact, k):
    return np.mean([len(set(row[:k]) & set(truth[:k])) / len(row[:k]) for row, truth in zip(found, exact)])


# %% exercise 2, wrong 2: must say "recall does not look at places"
def recall_at_k(found, exact, k):
    return np.mean([sum(a == b for a, b in zip(row[:k], truth[:k])) / k for row, truth in zip(found, exact)])


# %% exercise 3, wrong 1: must say "the ideal order counts every graded document"
def ndcg_exponential(returned, grades, k):
    gains = [2 ** grades.get(d, 0) - 1 for d in returned[:k]]
    discount = np.log2(np.arange(2, len(gains) + 2))
    return sum(gains / discount) / sum(sorted(gains, reverse=True) / discount)


# %% exercise 3, wrong 2: must say "grade 3 has gain 7"
def ndcg_exponential(returned, grades, k):
    def dcg(values):
        return sum(grade / np.log2(rank + 1) for rank, grade in enumerate(values[:k], 1))
    return dcg([grades.get(d, 0) for d in returned]) / dcg(sorted(grades.values(), reverse=True))


# %% exercise 4, wrong 1: must say "return the smallest"
def smallest_nprobe(recall_with, cells, target):
    nprobe = 1
    while recall_with(nprobe) < target:
        nprobe *= 2
    return nprobe if nprobe == 1 else min(nprobe + 1, cells)


# %% exercise 4, wrong 2: must say "halve the interval"
def smallest_nprobe(recall_with, cells, target):
    for nprobe in range(1, cells + 1):
        if recall_with(nprobe) >= target:
            return nprobe


# %% exercise 5, wrong 1: must say "round to the nearest level"
def quantise(vectors):
    lowest, highest = vectors.min(axis=0), vectors.max(axis=0)
    step = (highest - lowest) / 255
    step = np.where(step > 0, step, 1).astype(np.float32)
    return ((vectors - lowest) / step).astype(np.uint8), lowest, step


# %% exercise 5, wrong 2: must say "256 levels have 255 steps"
def quantise(vectors):
    lowest, highest = vectors.min(axis=0), vectors.max(axis=0)
    step = (highest - lowest) / 256
    step = np.where(step > 0, step, 1).astype(np.float32)
    return np.round((vectors - lowest) / step).astype(np.int64).astype(np.uint8), lowest, step
