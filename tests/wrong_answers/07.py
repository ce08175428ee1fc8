# %% exercise 1, wrong 1: must say "it is the right answer and has to stay"
def false_negative_mask(passages, relevant_to):
    return torch.tensor([[passage in relevant for passage in passages] for relevant in relevant_to])


# %% exercise 1, wrong 2: must say "only place (1, 1) is its own"
def false_negative_mask(passages, relevant_to):
    return torch.tensor([[passage in relevant and passage != passages[i] for passage in passages] for i, relevant in enumerate(relevant_to)])


# %% exercise 2, wrong 1: must say "are relevant and can be no negatives"
def hard_negatives(cosine, relevant_rows, k, depth):
    return [int(row) for row in np.argsort(-cosine)[:depth]][:k]


# %% exercise 2, wrong 2: must say "do not look beyond `depth`"
def hard_negatives(cosine, relevant_rows, k, depth):
    return [int(row) for row in np.argsort(-cosine) if int(row) not in relevant_rows][:k]


# %% exercise 2, wrong 3: must say "sort by descending cosine"
def hard_negatives(cosine, relevant_rows, k, depth):
    return [int(row) for row in np.argsort(cosine)[:depth] if int(row) not in relevant_rows][:k]


# %% exercise 3, wrong 1: must say "take half the difference"
def shift_gradient(function, angles):
    eye = torch.eye(len(angles), dtype=angles.dtype) * math.pi / 2
    return torch.stack([function(angles + s) - function(angles - s) for s in eye])


# %% exercise 3, wrong 2: must say "shift one angle at a time"
def shift_gradient(function, angles):
    half = float(function(angles + math.pi / 2) - function(angles - math.pi / 2)) / 2
    return torch.full_like(angles, half)


# %% exercise 4, wrong 1: must say "the earlier one is wanted"
def early_stopping(gains, patience):
    best = 0
    for epoch, gain in enumerate(gains):
        if gain >= gains[best]:
            best = epoch
        if epoch - best >= patience:
            return best, epoch
    return best, len(gains) - 1


# %% exercise 4, wrong 2: must say "never sees the 0.3"
def early_stopping(gains, patience):
    best = max(range(len(gains)), key=lambda epoch: (gains[epoch], -epoch))
    return best, min(best + patience, len(gains) - 1)


# %% exercise 4, wrong 3: must say "renews the patience"
def early_stopping(gains, patience):
    best, without = 0, 0
    for epoch, gain in enumerate(gains):
        if gain > gains[best]:
            best = epoch
        elif epoch:
            without += 1
        if without >= patience:
            return best, epoch
    return best, len(gains) - 1


# %% exercise 5, wrong 1: must say "dev is clean and was asked once"
def causes():
    return {"A": "false negatives", "B": "collapsed start", "C": "leaking dev", "D": "too many looks", "E": "learned by heart"}


# %% exercise 5, wrong 2: must say "which dev queries share a document"
def causes():
    return {"A": "false negatives", "B": "collapsed start", "C": "learned by heart", "D": "leaking dev", "E": "too many looks"}


# %% exercise 5, wrong 3: must say "push down, though they are right"
def causes():
    return {"A": "collapsed start", "B": "false negatives", "C": "leaking dev", "D": "learned by heart", "E": "too many looks"}


# %% exercise 5, wrong 4: must say "what pull does a pair feel"
def causes():
    return {"A": "false negatives", "B": "learned by heart", "C": "leaking dev", "D": "collapsed start", "E": "too many looks"}


# %% exercise 5, wrong 5: must say "no such cause"
def causes():
    return {"A": "false negatives", "B": "collapsed start", "C": "leaking dev", "D": "learned by heart", "E": "luck"}
