# %% exercise 1, wrong 1: must say "you let each document token take its best query token"
def late_interaction(similarities, offsets, weights=None):
    scores = np.zeros(len(offsets) - 1)
    for i, (start, end) in enumerate(zip(offsets, offsets[1:])):
        if end > start:
            scores[i] = similarities[:, start:end].max(axis=0).mean()
    return scores


# %% exercise 1, wrong 2: must say "are the weights used"
def late_interaction(similarities, offsets, weights=None):
    scores = np.zeros(len(offsets) - 1)
    for i, (start, end) in enumerate(zip(offsets, offsets[1:])):
        if end > start:
            scores[i] = similarities[:, start:end].max(axis=1).mean()
    return scores


# %% exercise 1, wrong 3: must say "rows' largest values, then their mean"
def late_interaction(similarities, offsets, weights=None):
    scores = np.zeros(len(offsets) - 1)
    for i, (start, end) in enumerate(zip(offsets, offsets[1:])):
        if end > start:
            scores[i] = similarities[:, start:end].max(axis=1).sum()
    return scores


# %% exercise 2, wrong 1: must say "the end of the range belongs to the last step"
def there_and_back(angles, top, steps):
    numbers = np.floor(np.asarray(angles) * steps / top).astype(int)
    return numbers, (numbers + 0.5) * top / steps


# %% exercise 2, wrong 2: must say "take its middle"
def there_and_back(angles, top, steps):
    numbers = np.minimum(np.floor(np.asarray(angles) * steps / top), steps - 1).astype(int)
    return numbers, numbers * top / steps


# %% exercise 2, wrong 3: must say "a step is top / steps wide"
def there_and_back(angles, top, steps):
    numbers = np.rint(np.asarray(angles) * (steps - 1) / top).astype(int)
    return numbers, numbers * top / (steps - 1)


# %% exercise 3, wrong 1: must say "count documents, not occurrences"
def rarity_weights(query, documents):
    frequency = np.array([sum(document.count(token) for document in documents) for token in query])
    weights = np.log(1 + len(documents) / (1 + frequency))
    return weights / weights.sum()


# %% exercise 3, wrong 2: must say "add up to 1"
def rarity_weights(query, documents):
    frequency = np.array([sum(token in document for document in documents) for token in query])
    return np.log(1 + len(documents) / (1 + frequency))


# %% exercise 4, wrong 1: must say "one factor of |t><t| is conjugated"
def mean_from_mixtures(query_states, document_states):
    rho_q, rho_d = (states.T @ states / len(states) for states in (query_states, document_states))
    return float(np.trace(rho_q @ rho_d).real)


# %% exercise 4, wrong 2: must say "do not add up the states themselves"
def mean_from_mixtures(query_states, document_states):
    pooled = [states.mean(axis=0) for states in (query_states, document_states)]
    pooled = [state / np.linalg.norm(state) for state in pooled]
    return float(abs(np.vdot(*pooled)) ** 2)


# %% exercise 4, wrong 3: must say "the mean of the table is"
def mean_from_mixtures(query_states, document_states):
    table = np.abs(query_states.conj() @ document_states.T) ** 2
    return float(table.max(axis=1).mean()) if table.shape[0] > 1 else float(table.mean())


# %% exercise 5, wrong 1: must say "picked on 400 judged claims"
def may_stay():
    return dict.fromkeys("ABCDEFG", True)


# %% exercise 5, wrong 2: must say "it does not show that there is none"
def may_stay():
    return {"A": True, "B": False, "C": True, "D": False, "E": True, "F": False, "G": True}


# %% exercise 5, wrong 3: must say "A, C, G: the lesson shows exactly that"
def may_stay():
    return dict.fromkeys("ABCDEFG", False)


# %% exercise 5, wrong 4: must say "training is not the only way to leak"
def may_stay():
    return {"A": True, "B": False, "C": True, "D": True, "E": False, "F": False, "G": True}
