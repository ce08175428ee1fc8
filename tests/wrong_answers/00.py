# %% exercise 1, wrong 1: must say "which of the two does α weigh?"
def mix(cosine, quantum, alpha):
    return (1 - alpha) * cosine + alpha * quantum


# %% exercise 1, wrong 2: must say "α = 1 must leave cosine alone"
def mix(cosine, quantum, alpha):
    return alpha * cosine + quantum


# %% exercise 1, wrong 3: must say "α = 0 must leave the overlap alone"
def mix(cosine, quantum, alpha):
    return cosine if alpha == 1 else (cosine + quantum) / 2


# %% exercise 2, wrong 1: must say "ranks count from 1"
def ranks_before(scores):
    return np.argsort(-scores, kind="stable").tolist()


# %% exercise 2, wrong 2: must say "highest score first"
def ranks_before(scores):
    return (np.argsort(scores, kind="stable") + 1).tolist()


# %% exercise 2, wrong 3: must say "the rank each one had before"
def ranks_before(scores):
    return (np.argsort(np.argsort(-scores, kind="stable")) + 1).tolist()


# %% exercise 2, wrong 4: must say "equal scores keep their old order"
def ranks_before(scores):
    return (np.argsort(scores, kind="stable")[::-1] + 1).tolist()


# %% exercise 3, wrong 1: must say "look at .ok"
def what_to_do(lines):
    return {line.what: line.advice for line in lines if line.advice}


# %% exercise 3, wrong 2: must say "the value must be the advice"
def what_to_do(lines):
    return {line.what: line.found for line in lines if not line.ok}
