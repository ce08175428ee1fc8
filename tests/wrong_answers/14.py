# Two plausible wrong answers for each exercise of lesson 14, and what the checker must say. Read by tests/test_exercises.py, never imported.

# %% exercise 1, wrong 1: must say "delete only what is in ours"
def plan_update(held, now, ours):
    embed = {key for key in now if held.get(key) != now[key]}
    return embed, set(held) - set(now), set(now) - embed


# %% exercise 1, wrong 2: must say "has changed (its hash has)"
def plan_update(held, now, ours):
    embed = set(now) - set(held)
    return embed, ours - set(now), set(now) - embed


# %% exercise 1, wrong 3: must say "is its `return` missing"
def plan_update(held, now, ours):
    embed = {key for key in now if held.get(key) != now[key]}
    (embed, ours - set(now), set(now) - embed)


# %% exercise 2, wrong 1: must say "the mean alone decides nothing"
def verdict(difference, low, high, groups):
    if groups < 20:
        return "judge more"
    return "on" if difference > 0 else "off"


# %% exercise 2, wrong 2: must say "12 groups are too few"
def verdict(difference, low, high, groups):
    return "on" if low > 0 else "off" if high < 0 else "judge more"


# %% exercise 3, wrong 1: must say "may have gone up by luck"
def supported(report, sentences):
    return {letter for letter, row in zip("acef", "1111")}


# %% exercise 3, wrong 2: must say "not seen is not absent"
def supported(report, sentences):
    return ["b", "c", "e", "f"]


# %% exercise 3, wrong 3: must say "compare 0.10 with what is detectable"
def supported(report, sentences):
    return {"c", "f"}


# %% exercise 4, wrong 1: must say "each brings its square root"
def shared_rows(vectors, points, alpha):
    return np.concatenate([alpha * vectors, (1 - alpha) / 2 * points], axis=1)


# %% exercise 4, wrong 2: must say "join along the columns"
def shared_rows(vectors, points, alpha):
    return alpha**0.5 * vectors[:, :3] + ((1 - alpha) / 2) ** 0.5 * points


# %% exercise 5, wrong 1: must say "the second shard's second beats the first shard's second"
def merge_shards(answers, k):
    pairs = [pair for place in range(k) for pair in [(s[place], i[place]) for i, s in answers if place < len(i)]][:k]
    return [key for _, key in pairs], [score for score, _ in pairs]


# %% exercise 5, wrong 2: must say "sort by score alone, not by id"
def merge_shards(answers, k):
    pairs = sorted((-score, key) for ids, scores in answers for key, score in zip(ids, scores))[:k]
    return [key for _, key in pairs], [-score for score, _ in pairs]
