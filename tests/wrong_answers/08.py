# %% exercise 1, wrong 1: must say "divide by the words of both together"
def near_duplicates(train_texts, test_texts, threshold=0.5):
    bags = [[set(re.findall(r"\w+", text.lower())) for text in texts] for texts in (train_texts, test_texts)]
    return [i for i, bag in enumerate(bags[1]) if max(len(bag & other) / len(bag) for other in bags[0]) >= threshold]


# %% exercise 1, wrong 2: must say "lower case"
def near_duplicates(train_texts, test_texts, threshold=0.5):
    bags = [[set(text.split()) for text in texts] for texts in (train_texts, test_texts)]
    return [i for i, bag in enumerate(bags[1]) if max(len(bag & other) / len(bag | other) for other in bags[0]) >= threshold]


# %% exercise 1, wrong 3: must say "is the threshold used?"
def near_duplicates(train_texts, test_texts, threshold=0.5):
    bags = [[set(re.findall(r"\w+", text.lower())) for text in texts] for texts in (train_texts, test_texts)]
    return [i for i, bag in enumerate(bags[1]) if max(len(bag & other) / len(bag | other) for other in bags[0]) >= 0.5]


# %% exercise 2, wrong 1: must say "with a grade of 1 or more"
def verdicts():
    return {"A": "document", "B": "repeated query", "C": "dev", "D": "none", "honest": "Y"}


# %% exercise 2, wrong 2: must say "read the two claims aloud"
def verdicts():
    return {"A": "none", "B": "none", "C": "dev", "D": "document", "honest": "Y"}


# %% exercise 2, wrong 3: must say "who else had a say in the result"
def verdicts():
    return {"A": "none", "B": "repeated query", "C": "none", "D": "document", "honest": "Y"}


# %% exercise 2, wrong 4: must say "what the other side was allowed to choose"
def verdicts():
    return {"A": "none", "B": "repeated query", "C": "dev", "D": "document", "honest": "X"}


# %% exercise 3, wrong 1: must say "so double it"
def sign_test(a, b):
    wins, losses = sum(x > y for x, y in zip(a, b)), sum(x < y for x, y in zip(a, b))
    n = wins + losses
    return wins, losses, sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n


# %% exercise 3, wrong 2: must say "the five ties count for neither"
def sign_test(a, b):
    wins = sum(x > y for x, y in zip(a, b))
    losses = len(a) - wins
    n = wins + losses
    return wins, losses, min(1.0, 2 * sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n)


# %% exercise 3, wrong 3: must say "cut off at 1"
def sign_test(a, b):
    wins, losses = sum(x > y for x, y in zip(a, b)), sum(x < y for x, y in zip(a, b))
    n = wins + losses
    return wins, losses, 2 * sum(math.comb(n, k) for k in range(min(wins, losses) + 1)) / 2**n


# %% exercise 4, wrong 1: must say "square before rounding"
def plan(spread, difference):
    return {
        "opponent": "the same head without entangler",
        "dev": "leak-free",
        "unit": "cluster",
        "comparisons": 6,
        "queries": math.ceil(2.8 * spread / difference),
    }


# %% exercise 4, wrong 2: must say "round up, not down"
def plan(spread, difference):
    return {
        "opponent": "the same head without entangler",
        "dev": "leak-free",
        "unit": "cluster",
        "comparisons": 6,
        "queries": int((2.8 * spread / difference) ** 2),
    }


# %% exercise 4, wrong 3: must say "no evidence that the *entangler* did it"
def plan(spread, difference):
    return {
        "opponent": "cosine",
        "dev": "leak-free",
        "unit": "cluster",
        "comparisons": 6,
        "queries": math.ceil((2.8 * spread / difference) ** 2),
    }


# %% exercise 4, wrong 4: must say "would praise a memory"
def plan(spread, difference):
    return {
        "opponent": "the same head without entangler",
        "dev": "random",
        "unit": "cluster",
        "comparisons": 6,
        "queries": math.ceil((2.8 * spread / difference) ** 2),
    }


# %% exercise 4, wrong 5: must say "draw them together"
def plan(spread, difference):
    return {
        "opponent": "the same head without entangler",
        "dev": "leak-free",
        "unit": "query",
        "comparisons": 6,
        "queries": math.ceil((2.8 * spread / difference) ** 2),
    }


# %% exercise 4, wrong 6: must say "6 comparisons, not 1"
def plan(spread, difference):
    return {
        "opponent": "the same head without entangler",
        "dev": "leak-free",
        "unit": "cluster",
        "comparisons": 1,
        "queries": math.ceil((2.8 * spread / difference) ** 2),
    }


# %% exercise 5, wrong 1: must say "merge every group that shares a document"
def linked_groups(qrels):
    groups = []
    for query, judged in qrels.items():
        docs = {doc for doc, grade in judged.items() if grade >= 1}
        for queries, held in groups:
            if held & docs:
                queries.add(query)
                held |= docs
                break
        else:
            groups.append(({query}, docs))
    return [queries for queries, _ in groups]


# %% exercise 5, wrong 2: must say "links nothing"
def linked_groups(qrels):
    groups = []
    for query, judged in qrels.items():
        queries, docs = {query}, set(judged)
        for other in [g for g in groups if g[1] & docs]:
            groups.remove(other)
            queries, docs = queries | other[0], docs | other[1]
        groups.append((queries, docs))
    return [queries for queries, _ in groups]
