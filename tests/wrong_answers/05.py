# Plausible wrong answers for each exercise of lesson 05, and what the checker must say. Read by tests/test_exercises.py, never imported.

# %% exercise 1, wrong 1: must say "fit a line with its fixed part"
def largest_exact(sizes, milliseconds, embedding):
    return int(embedding * sizes[0] / milliseconds[0])


# %% exercise 1, wrong 2: must say "if the fixed price alone is above the embedding"
def largest_exact(sizes, milliseconds, embedding):
    price, fixed = np.polyfit(sizes, milliseconds, 1)
    return int((embedding - fixed) / price + 1e-6)


# %% exercise 1, wrong 3: must say "use all measurements"
def largest_exact(sizes, milliseconds, embedding):
    price = (milliseconds[1] - milliseconds[0]) / (sizes[1] - sizes[0])
    return max(0, int((embedding - milliseconds[0]) / price + sizes[0] + 1e-6))


# %% exercise 2, wrong 1: must say "divide by k, the number that should be there"
def kept_at(found, exact, k, depth):
    return np.mean([len(set(row[:depth]) & set(truth[:k])) / len(row[:depth]) for row, truth in zip(found, exact)])


# %% exercise 2, wrong 2: must say "a reranker does not look at places"
def kept_at(found, exact, k, depth):
    if depth > k:
        return 0.5
    return np.mean([sum(a == b for a, b in zip(row[:k], truth[:k])) / k for row, truth in zip(found, exact)])


# %% exercise 2, wrong 3: must say "cut the found list to depth and the true one to k"
def kept_at(found, exact, k, depth):
    return np.mean([len(set(row) & set(truth[:depth])) / min(depth, len(truth)) for row, truth in zip(found, exact)])


# %% exercise 2, wrong 4: must say "is its `return` missing?"
def kept_at(found, exact, k, depth):
    shares = [len(set(row[:depth]) & set(truth[:k])) / k for row, truth in zip(found, exact)]
    np.mean(shares)


# %% exercise 3, wrong 1: must say "return the smallest"
def smallest_nprobe(recall_with, cells, target):
    nprobe = 1
    while recall_with(nprobe) < target:
        nprobe *= 2
    return nprobe if nprobe == 1 else min(nprobe + 1, cells)


# %% exercise 3, wrong 2: must say "halve the interval"
def smallest_nprobe(recall_with, cells, target):
    for nprobe in range(1, cells + 1):
        if recall_with(nprobe) >= target:
            return nprobe


# %% exercise 3, wrong 3: must say "one more cell?"
def smallest_nprobe(recall_with, cells, target):
    low, high = 1, cells
    while low < high - 1:
        middle = (low + high) // 2
        if recall_with(middle) >= target:
            high = middle
        else:
            low = middle
    return low


# %% exercise 4, wrong 1: must say "does each part look into its own codewords?"
def scores_of_codes(query, codes, codewords):
    parts, _, width = codewords.shape
    table = query.reshape(parts, width) @ codewords[0].T
    return table[np.arange(parts), codes].sum(axis=1)


# %% exercise 4, wrong 2: must say "add up over the parts"
def scores_of_codes(query, codes, codewords):
    parts, _, width = codewords.shape
    table = np.einsum("mcw,mw->mc", codewords, query.reshape(parts, width))
    return table[np.arange(parts), codes]


# %% exercise 4, wrong 3: must say "cut the query in order"
def scores_of_codes(query, codes, codewords):
    parts, _, width = codewords.shape
    table = np.einsum("mcw,mw->mc", codewords, query.reshape(width, parts).T)
    return table[np.arange(parts), codes].sum(axis=1)


# %% exercise 5, wrong 1: must say "how many candidates may each of the two hand over?"
def verdicts():
    return {"A": "sound", "B": "not comparable", "C": "wrong yardstick", "D": "unfair budget", "E": "tuned on the test"}


# %% exercise 5, wrong 2: must say "what is the truth that this recall is measured against?"
def verdicts():
    return {"A": "unfair budget", "B": "not comparable", "C": "sound", "D": "wrong yardstick", "E": "tuned on the test"}


# %% exercise 5, wrong 3: must say "do both times come from one machine"
def verdicts():
    return {"A": "unfair budget", "B": "sound", "C": "wrong yardstick", "D": "not comparable", "E": "tuned on the test"}
