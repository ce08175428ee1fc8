# Plausible wrong answers for each exercise of lesson 04; tests/test_exercises.py runs them against the checks.

# %% exercise 1, wrong 1: must say "times add up, factors do not"
def whole_speedup(shares, factors):
    return sum(share * factors.get(stage, 1) for stage, share in shares.items())


# %% exercise 1, wrong 2: must say "a stage without a factor keeps its time"
def whole_speedup(shares, factors):
    return 1 / sum(shares[stage] / factor for stage, factor in factors.items())


# %% exercise 1, wrong 3: must say "so 2 times as fast"
def whole_speedup(shares, factors):
    return sum(share / factors.get(stage, 1) for stage, share in shares.items())


# %% exercise 2, wrong 1: must say "weights 23 numbers = 92 bytes"
def largest_batch(sizes, budget, bytes_per_number=4):
    return max(0, budget // (sum(sizes) * bytes_per_number))


# %% exercise 2, wrong 2: must say "if not even the weights fit"
def largest_batch(sizes, budget, bytes_per_number=4):
    weights = sum(a * b + b for a, b in zip(sizes, sizes[1:]))
    alive = max(a + b for a, b in zip(sizes[1:], sizes[2:]))
    return (budget - weights * bytes_per_number) // ((sizes[0] + alive) * bytes_per_number)


# %% exercise 2, wrong 3: must say "inference frees what has been read"
def largest_batch(sizes, budget, bytes_per_number=4):
    weights = sum(a * b + b for a, b in zip(sizes, sizes[1:])) * bytes_per_number
    return max(0, (budget - weights) // (sum(sizes) * bytes_per_number))


# %% exercise 3, wrong 1: must say "which rounds to 1"
def quantise_symmetric(weights):
    scale = weights.abs().max().item() / 127
    return (weights / scale).to(torch.int8), scale, scale / 2


# %% exercise 3, wrong 2: must say "largest *absolute* weight is 2.54"
def quantise_symmetric(weights):
    scale = weights.max().item() / 127
    return (weights / scale).round().clamp(-127, 127).to(torch.int8), scale, scale / 2


# %% exercise 4, wrong 1: must say "let the stages overlap"
def done_at(embedding, writing):
    return sum(embedding) + sum(writing)


# %% exercise 4, wrong 2: must say "the writer is the slow one here"
def done_at(embedding, writing):
    return sum(embedding) + writing[-1]


# %% exercise 4, wrong 3: must say "compare embedded and free for each batch"
def done_at(embedding, writing):
    return max(sum(embedding) + writing[-1], embedding[0] + sum(writing)) + (embedding[0] == 1)


# %% exercise 5, wrong 1: must say "what did the order of results do meanwhile?"
def verdicts():
    return {"A": "wrong part", "B": "first call timed", "C": "sound", "D": "other machine", "E": "quality missing"}


# %% exercise 5, wrong 2: must say "what share of the time does a head take?"
def verdicts():
    return {"A": "quality missing", "B": "first call timed", "C": "wrong part", "D": "other machine", "E": "sound"}
