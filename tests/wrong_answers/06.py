# %% exercise 1, wrong 1: must say "choose the candidates first"
def rerank(query_vector, document_vectors, query_state, document_states, alpha, K):
    final = alpha * (document_vectors @ query_vector) + (1 - alpha) * overlap(query_state[None], document_states)[0]
    return torch.sort(final, descending=True, stable=True).indices[:K].tolist()


# %% exercise 1, wrong 2: must say "are these rows of document_vectors?"
def rerank(query_vector, document_vectors, query_state, document_states, alpha, K):
    cosine, rows = torch.sort(document_vectors @ query_vector, descending=True, stable=True)
    final = alpha * cosine[:K] + (1 - alpha) * overlap(query_state[None], document_states[rows[:K]])[0]
    return torch.sort(final, descending=True, stable=True).indices.tolist()


# %% exercise 1, wrong 3: must say "in the order of their overlaps"
def rerank(query_vector, document_vectors, query_state, document_states, alpha, K):
    cosine, rows = torch.sort(document_vectors @ query_vector, descending=True, stable=True)
    final = alpha * cosine[:K] + (1 - alpha) * overlap(query_state[None], document_states[:K])[0]
    return rows[torch.sort(final, descending=True, stable=True).indices].tolist()


# %% exercise 2, wrong 1: must say "it is not relevant"
def reciprocal_rank_and_recall(ranking, grades, k):
    ranks = [rank for rank, doc in enumerate(ranking, 1) if doc in grades]
    return (1 / ranks[0] if ranks else 0.0), len([r for r in ranks if r <= k]) / len(grades)


# %% exercise 2, wrong 2: must say "divide by the number of all relevant documents"
def reciprocal_rank_and_recall(ranking, grades, k):
    ranks = [rank for rank, doc in enumerate(ranking, 1) if grades.get(doc, 0) >= 1]
    return (1 / ranks[0] if ranks else 0.0), len([r for r in ranks if r <= k]) / k


# %% exercise 2, wrong 3: must say "ranks count from 1"
def reciprocal_rank_and_recall(ranking, grades, k):
    relevant = {doc for doc, grade in grades.items() if grade >= 1}
    ranks = [rank for rank, doc in enumerate(ranking) if doc in relevant]
    return (1 / max(ranks[0], 1) if ranks else 0.0), len(relevant & set(ranking[:k])) / len(relevant)


# %% exercise 3, wrong 1: must say "the larger one is wanted"
def pick_alpha(curve, margin=0.0):
    return max(curve, key=curve.get)


# %% exercise 3, wrong 2: must say "is the margin used?"
def pick_alpha(curve, margin=0.0):
    best = max(curve.values())
    return max(alpha for alpha, value in curve.items() if value == best)


# %% exercise 3, wrong 3: must say "quality comes first"
def pick_alpha(curve, margin=0.0):
    return max(curve)


# %% exercise 4, wrong 1: must say "is the scale on the side of s?"
def equivalent_alpha(alpha, scale):
    return alpha * scale / (alpha * scale + 1 - alpha)


# %% exercise 4, wrong 2: must say "so 0 and 1 must stay"
def equivalent_alpha(alpha, scale):
    return alpha / scale


# %% exercise 5, wrong 1: must say "where on this axis do both scores"
def verdicts():
    return {"A": "sound", "B": "judged by what chose", "C": "test chose", "D": "sound", "E": "no control"}


# %% exercise 5, wrong 2: must say "who picked the winner?"
def verdicts():
    return {"A": "looked in the wrong place", "B": "judged by what chose", "C": "judged by what chose", "D": "sound", "E": "no control"}


# %% exercise 5, wrong 3: must say "overlaps that know nothing"
def verdicts():
    return {"A": "looked in the wrong place", "B": "judged by what chose", "C": "test chose", "D": "sound", "E": "sound"}


# %% exercise 5, wrong 4: must say "keys A to E"
def verdicts():
    return ["looked in the wrong place", "judged by what chose", "test chose", "sound", "no control"]
