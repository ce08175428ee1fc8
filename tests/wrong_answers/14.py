# Two plausible wrong answers for each exercise of lesson 14, and what the checker must say. Read by tests/test_exercises.py, never imported.
# ruff: noqa

# %% exercise 1, wrong 1: must say "each brings its square root"
def shared_rows(vectors, points, alpha):
    return np.concatenate([alpha * vectors, (1 - alpha) / 2 * points], axis=1)


# %% exercise 1, wrong 2: must say "join along the columns"
def shared_rows(vectors, points, alpha):
    return alpha**0.5 * vectors[:, :3] + ((1 - alpha) / 2) ** 0.5 * points


# %% exercise 2, wrong 1: must say "rank *all* documents by the final score"
def lost_by_two_stages(cosine, final, K, k):
    candidates = np.argsort(-cosine, axis=1)[:, :K]
    reranked = np.take_along_axis(candidates, np.argsort(-np.take_along_axis(final, candidates, 1), axis=1), 1)[:, :k]
    return np.array([len(set(r) - set(c)) for r, c in zip(reranked.tolist(), candidates.tolist())])


# %% exercise 2, wrong 2: must say "one count for each query"
def lost_by_two_stages(cosine, final, K, k):
    candidates, exact = np.argsort(-cosine, axis=1)[:, :K], np.argsort(-final, axis=1)[:, :k]
    return np.mean([len(set(e) - set(c)) for e, c in zip(exact.tolist(), candidates.tolist())])


# %% exercise 3, wrong 1: must say "the second shard's second beats the first shard's second"
def merge_shards(answers, k):
    pairs = [pair for place in range(k) for pair in [(s[place], i[place]) for i, s in answers if place < len(i)]][:k]
    return [key for _, key in pairs], [score for score, _ in pairs]


# %% exercise 3, wrong 2: must say "sort by score alone, not by id"
def merge_shards(answers, k):
    pairs = sorted((-score, key) for ids, scores in answers for key, score in zip(ids, scores))[:k]
    return [key for _, key in pairs], [-score for score, _ in pairs]


# %% exercise 4, wrong 1: must say "the conjugate belongs on the left"
def fifteen_numbers(states):
    strings = [np.kron(a, b) for a in (I, X, Y, Z) for b in (I, X, Y, Z)][1:]
    return np.stack([np.einsum("bi,ij,bj->b", states, p, states).real for p in strings], axis=1)


# %% exercise 4, wrong 2: must say "leave out I⊗I and nothing else"
def fifteen_numbers(states):
    strings = [np.kron(a, b) for a in (X, Y, Z) for b in (X, Y, Z)]
    return np.stack([np.einsum("bi,ij,bj->b", states.conj(), p, states).real for p in strings], axis=1)
