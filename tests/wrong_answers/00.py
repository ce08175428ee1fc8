# %% exercise 1, wrong 1: must say "which of the two does α weigh?"
def mix(cosine, states, alpha):
    return (1 - alpha) * cosine + alpha * states


# %% exercise 1, wrong 2: must say "α = 1 must leave cosine alone"
def mix(cosine, states, alpha):
    return alpha * cosine + states


# %% exercise 1, wrong 3: must say "α = 0 must leave the states alone"
def mix(cosine, states, alpha):
    return cosine if alpha == 1 else (cosine + states) / 2


# %% exercise 1, wrong 4: must say "is its `return` missing?"
def mix(cosine, states, alpha):
    alpha * cosine + (1 - alpha) * states


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


# %% exercise 2, wrong 5: must say "equal ones lost their old order"
def ranks_before(scores):
    return (np.argsort(-scores) + 1).tolist()


# %% exercise 2, wrong 6: must say "ranks are wanted, you gave the scores"
def ranks_before(scores):
    return sorted(scores, reverse=True)


# %% exercise 3, wrong 1: must say "is not yet the word"
def deciding_word(words, a, b):
    return int((a.max(axis=1) - b.max(axis=1)).argmax())


# %% exercise 3, wrong 2: must say "keep the sign of the difference"
def deciding_word(words, a, b):
    return words[int(abs(a.max(axis=1) - b.max(axis=1)).argmax())]


# %% exercise 3, wrong 3: must say "compare each word's best partner"
def deciding_word(words, a, b):
    return words[int(a.max(axis=1).argmax())]


# %% exercise 3, wrong 4: must say "a lead of 0.05 only"
def deciding_word(words, a, b):
    return words[int((a.mean(axis=1) - b.mean(axis=1)).argmax())]


# %% exercise 4, wrong 1: must say "look at .ok"
def what_to_do(lines):
    return {line.what: line.advice for line in lines if line.advice}


# %% exercise 4, wrong 2: must say "the value must be the advice"
def what_to_do(lines):
    return {line.what: line.found for line in lines if not line.ok}


# %% exercise 4, wrong 3: must say "must be a dictionary, you gave a list"
def what_to_do(lines):
    return [line.advice for line in lines if not line.ok]


# %% exercise 5, wrong 1: must say "A is not 'none': who chose the three questions"
def objections():
    return dict.fromkeys("ABCDE", "none")


# %% exercise 5, wrong 2: must say "which questions chose the weight"
def objections():
    return {"A": "picked", "B": "none", "C": "left out", "D": "none", "E": "no rival"}


# %% exercise 5, wrong 3: must say "what did plain numbers of the same size reach?"
def objections():
    return {"A": "picked", "B": "tuned", "C": "left out", "D": "none", "E": "none"}


# %% exercise 5, wrong 4: must say "D is not 'tuned': it claims no more than it counted"
def objections():
    return {"A": "picked", "B": "tuned", "C": "left out", "D": "tuned", "E": "tuned"}


# %% exercise 5, wrong 5: must say "is not on the list"
def objections():
    return dict.fromkeys("ABCDE", "too small")
