# %% exercise 1, wrong 1: must say "divide by the number of tokens that are left"
def pool_words(token_vectors, mask):
    weights = np.array(mask, dtype=float)
    last = np.asarray(mask).sum(axis=1) - 1
    weights[:, 0] = 0
    weights[np.arange(len(weights)), last] = 0
    return (np.asarray(token_vectors) * weights[:, :, None]).mean(axis=1)

# %% exercise 1, wrong 2: must say "is the last REAL token left out"
def pool_words(token_vectors, mask):
    weights = np.array(mask, dtype=float)
    weights[:, [0, -1]] = 0
    return (np.asarray(token_vectors) * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1, keepdims=True)

# %% exercise 2, wrong 1: must say "is every row divided by its own length?"
def cosine_matrix(a, b):
    return a @ b.T

# %% exercise 2, wrong 2: must say "a row of zeros should have cosine 0"
def cosine_matrix(a, b):
    a = a / np.linalg.norm(a, axis=1, keepdims=True)
    b = b / np.linalg.norm(b, axis=1, keepdims=True)
    return a @ b.T

# %% exercise 3, wrong 1: must say "leave it out"
def neighbours(vectors, row, k):
    return np.argsort(-(vectors @ vectors[row]))[:k]

# %% exercise 3, wrong 2: must say "remove `row` by its number, not by its place"
def neighbours(vectors, row, k):
    return np.argsort(-(vectors @ vectors[row]), kind="stable")[1:k + 1]

# %% exercise 4, wrong 1: must say "count rows × width, padding included"
def budget_batches(lengths, budget):
    batches = []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batches and sum(lengths[j] for j in batches[-1]) + lengths[i] <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches

# %% exercise 4, wrong 2: must say "is the list sorted, and each batch filled up?"
def budget_batches(lengths, budget):
    batches = []
    for i in range(len(lengths)):
        if batches and (len(batches[-1]) + 1) * max(lengths[j] for j in [*batches[-1], i]) <= budget:
            batches[-1].append(i)
        else:
            batches.append([i])
    return batches

# %% exercise 5, wrong 1: must say "compare whole words"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    nearest = (query_vectors @ passage_vectors.T).argmax(axis=1)
    wrong = passage_fields[nearest] != right_fields
    contains = np.array([word in text.lower() for text in queries])
    return int((wrong & contains).sum()), int(contains.sum())

# %% exercise 5, wrong 2: must say "mind capitals and punctuation"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    nearest = (query_vectors @ passage_vectors.T).argmax(axis=1)
    wrong = passage_fields[nearest] != right_fields
    contains = np.array([word in text.split() for text in queries])
    return int((wrong & contains).sum()), int(contains.sum())
