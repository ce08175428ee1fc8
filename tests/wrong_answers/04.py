# Two plausible wrong answers for each exercise of lesson 04; tests/test_exercises.py runs them against the checks.

# %% exercise 1, wrong 1: must say "is the shorter last batch there?"
def batches(items, size):
    for number in range(len(items) // size):
        yield items[number * size:(number + 1) * size]


# %% exercise 1, wrong 2: must say "there is no shorter (or empty) batch at the end"
def batches(items, size):
    if size < 1:
        raise ValueError("size must be 1 or more")
    for number in range(len(items) // size + 1):
        yield items[number * size:(number + 1) * size]


# %% exercise 2, wrong 1: must say "did you count the biases too?"
def model_bytes(model, dtype):
    return sum(p.numel() for p in model.parameters() if p.ndim == 2) * dtype.itemsize


# %% exercise 2, wrong 2: must say "how wide is one number of this type?"
def model_bytes(model, dtype):
    return sum(p.nbytes for p in model.parameters())


# %% exercise 3, wrong 1: must say "subtract the opposed pairs"
def tau(old, new):
    pairs = [(i, j) for i in range(len(old)) for j in range(i)]
    return sum((old[i] - old[j]) * (new[i] - new[j]) > 0 for i, j in pairs) / len(pairs)


# %% exercise 3, wrong 2: must say "a tie counts neither for nor against"
def tau(old, new):
    pairs = [(i, j) for i in range(len(old)) for j in range(i)]
    return sum(1 if (old[i] - old[j]) * (new[i] - new[j]) > 0 else -1 for i, j in pairs) / len(pairs)


# %% exercise 4, wrong 1: must say "which rounds to 1"
def quantise_symmetric(weights):
    scale = weights.abs().max().item() / 127
    return (weights / scale).to(torch.int8), scale, scale / 2


# %% exercise 4, wrong 2: must say "largest *absolute* weight is 2.54"
def quantise_symmetric(weights):
    scale = weights.max().item() / 127
    return (weights / scale).round().clamp(-127, 127).to(torch.int8), scale, scale / 2


# %% exercise 5, wrong 1: must say "weights 23 numbers = 92 bytes"
def largest_batch(sizes, budget, bytes_per_number=4):
    return max(0, budget // (sum(sizes) * bytes_per_number))


# %% exercise 5, wrong 2: must say "if not even the weights fit"
def largest_batch(sizes, budget, bytes_per_number=4):
    weights = sum(before * after + after for before, after in zip(sizes, sizes[1:])) * bytes_per_number
    return (budget - weights) // (sum(sizes) * bytes_per_number)
