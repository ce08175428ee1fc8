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

# %% exercise 1, wrong 3: must say "find the last real token before"
def pool_words(token_vectors, mask):
    weights = mask.astype(float)
    weights[:, 0] = 0
    last = weights.sum(axis=1).astype(int) - 1
    weights[np.arange(len(weights)), last] = 0
    return (token_vectors * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]

# %% exercise 1, wrong 4: must say "are all three in the sum"
def pool_words(token_vectors, mask):
    weights = mask.astype(float)
    weights[:, 0] = 0
    weights[:, mask.sum(axis=1) - 1] = 0
    return (token_vectors * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]

# %% exercise 2, wrong 1: must say "compare the function with itself, not with a mean"
def lets_padding_in(pool):
    vectors, mask = np.arange(12.0).reshape(1, 4, 3), np.array([[1, 1, 0, 0]])
    return not np.allclose(pool(vectors, mask), vectors[:, :2].mean(axis=1))

# %% exercise 2, wrong 2: must say "padding isn't always zeros"
def lets_padding_in(pool):
    vectors = np.arange(12.0).reshape(1, 4, 3)
    longer = np.concatenate([vectors, np.zeros((1, 2, 3))], axis=1)
    before = pool(vectors, np.ones((1, 4)))
    return not np.allclose(pool(longer, np.array([[1, 1, 1, 1, 0, 0]])), before)

# %% exercise 2, wrong 3: must say "it's not what the padding holds but how much there is"
def lets_padding_in(pool):
    vectors, mask = np.arange(12.0).reshape(1, 4, 3), np.array([[1, 1, 0, 0]])
    before = pool(vectors, mask)
    for filling in (1e6, -1e6):
        changed = vectors.copy()
        changed[mask == 0] = filling
        if not np.allclose(pool(changed, mask), before):
            return True
    return False

# %% exercise 2, wrong 4: must say "try large negative numbers, too"
def lets_padding_in(pool):
    vectors, mask = np.arange(12.0).reshape(1, 4, 3), np.array([[1, 1, 0, 0]])
    changed = vectors.copy()
    changed[mask == 0] = 1e6
    return not np.allclose(pool(changed, mask), pool(vectors, mask))

# %% exercise 2, wrong 5: must say "is its `return` missing?"
def lets_padding_in(pool):
    vectors, mask = np.arange(12.0).reshape(1, 4, 3), np.array([[1, 1, 0, 0]])
    np.allclose(pool(vectors, mask), pool(vectors + 1, mask))

# %% exercise 2, wrong 6: must say "do you change something, and in a copy"
def lets_padding_in(pool):
    vectors, mask = np.arange(12.0).reshape(1, 4, 3), np.array([[1, 1, 0, 0]])
    changed = vectors
    changed[mask == 0] = 1e6
    return not np.allclose(pool(changed, mask), pool(vectors, mask))

# %% exercise 2, wrong 7: must say "must be True or False, you gave a ndarray"
def lets_padding_in(pool):
    vectors, mask = np.arange(12.0).reshape(1, 4, 3), np.array([[1, 1, 0, 0]])
    changed = vectors.copy()
    changed[mask == 0] = 1e6
    return pool(changed, mask) != pool(vectors, mask)

# %% exercise 3, wrong 1: must say "leave it out"
def neighbours(vectors, row, k):
    return np.argsort(-(vectors @ vectors[row]))[:k]

# %% exercise 3, wrong 2: must say "remove `row` by its number, not by its place"
def neighbours(vectors, row, k):
    return np.argsort(-(vectors @ vectors[row]), kind="stable")[1:k + 1]

# %% exercise 3, wrong 3: must say "remove `row` first, then keep k"
def neighbours(vectors, row, k):
    order = np.argsort(-(vectors @ vectors[row]))[:k]
    return order[order != row]

# %% exercise 3, wrong 4: must say "are these the cosines?"
def neighbours(vectors, row, k):
    return np.sort(vectors @ vectors[row])[::-1][1 : k + 1]

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

# %% exercise 4, wrong 3: must say "is the last batch there"
def budget_batches(lengths, budget):
    batches, batch = [], []
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        if batch and (len(batch) + 1) * lengths[batch[0]] > budget:
            batches.append(batch)
            batch = []
        batch.append(i)
    return batches

# %% exercise 4, wrong 4: must say "must give [[0], [1]], got [[], [0], [1]]"
def budget_batches(lengths, budget):
    batches = [[]]
    for i in sorted(range(len(lengths)), key=lambda i: -lengths[i]):
        batch = batches[-1]
        if (len(batch) + 1) * lengths[batch[0] if batch else i] > budget:
            batches.append([])
        batches[-1].append(i)
    return batches

# %% exercise 5, wrong 1: must say "compare whole words"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    nearest = (query_vectors @ passage_vectors.T).argmax(axis=1)
    wrong = passage_fields[nearest] != right_fields
    has = np.array([word in text.lower() for text in queries])
    return [(int(wrong[group].sum()), int(group.sum())) for group in (has, ~has)]

# %% exercise 5, wrong 2: must say "mind capitals and punctuation"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    nearest = (query_vectors @ passage_vectors.T).argmax(axis=1)
    wrong = passage_fields[nearest] != right_fields
    has = np.array([word in text.split() for text in queries])
    return [(int(wrong[group].sum()), int(group.sum())) for group in (has, ~has)]

# %% exercise 5, wrong 3: must say "the control is made of the 2 questions without the word"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    nearest = (query_vectors @ passage_vectors.T).argmax(axis=1)
    wrong = passage_fields[nearest] != right_fields
    import re

    has = np.array([word in re.findall("[a-z]+", text.lower()) for text in queries])
    return (wrong[has].sum(), has.sum()), (wrong.sum(), len(wrong))

# %% exercise 5, wrong 4: must say "expected two pairs"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    nearest = (query_vectors @ passage_vectors.T).argmax(axis=1)
    wrong = passage_fields[nearest] != right_fields
    import re

    has = np.array([word in re.findall("[a-z]+", text.lower()) for text in queries])
    return wrong[has].sum(), has.sum()

# %% exercise 5, wrong 5: must say "did you count those that land in the right field?"
def misled(word, queries, query_vectors, passage_vectors, passage_fields, right_fields):
    right = passage_fields[(query_vectors @ passage_vectors.T).argmax(axis=1)] == right_fields
    has = np.array([word in re.findall(r"[a-z]+", text.lower()) for text in queries])
    return (right[has].sum(), has.sum()), (right[~has].sum(), (~has).sum())
