# %% exercise 1, wrong 1: must say "take the logarithm of each factor before anything gets small"
def log_fidelity_of_products(a, b):
    return ((1 + torch.einsum("aqk,bqk->abq", a, b)) / 2).prod(-1).log()


# %% exercise 1, wrong 2: must say "sum over the qubits, no mean"
def log_fidelity_of_products(a, b):
    return ((1 + torch.einsum("aqk,bqk->abq", a, b)) / 2).clamp(1e-12, 1).log().mean(-1)


# %% exercise 1, wrong 3: must say "is the factor (1 + n·m)/2?"
def log_fidelity_of_products(a, b):
    return (1 + torch.einsum("aqk,bqk->abq", a, b)).clamp(1e-12).log().sum(-1)


# %% exercise 2, wrong 1: must say "compare overlaps, not amplitudes"
def overlap_changes(angles):
    batch, _, n, _ = angles.shape
    first = rotate(all_zero(batch, n), angles[:, 0])
    none = rotate(first, angles[:, 1])
    after, between = none, first
    for q in range(n - 1):
        after, between = cnot(after, q, q + 1), cnot(between, q, q + 1)
    between = rotate(between, angles[:, 1])
    return (after - none).abs().max().item(), (between - none).abs().max().item()


# %% exercise 2, wrong 2: must say "the second layer must come after the chain"
def overlap_changes(angles):
    batch, _, n, _ = angles.shape
    none = rotate(rotate(all_zero(batch, n), angles[:, 0]), angles[:, 1])
    chained = none
    for q in range(n - 1):
        chained = cnot(chained, q, q + 1)
    change = (overlap(chained, chained) - overlap(none, none)).abs().max().item()
    return change, change


# %% exercise 2, wrong 3: must say "the chain is CNOT 0→1, then 1→2"
def overlap_changes(angles):
    batch, _, n, _ = angles.shape
    first = rotate(all_zero(batch, n), angles[:, 0])
    none = rotate(first, angles[:, 1])
    between = first
    for q in reversed(range(n - 1)):
        between = cnot(between, q, q + 1)
    between = rotate(between, angles[:, 1])
    return 0.0, (overlap(between, between) - overlap(none, none)).abs().max().item()


# %% exercise 3, wrong 1: must say "take its square root"
def geometric_difference(classical, quantum):
    return np.linalg.eigvals(np.linalg.solve(classical, quantum)).real.max()


# %% exercise 3, wrong 2: must say "the other way round"
def geometric_difference(classical, quantum):
    return np.linalg.eigvals(np.linalg.solve(quantum, classical)).real.max() ** 0.5


# %% exercise 3, wrong 3: must say "scale both to the same trace first"
def geometric_difference(classical, quantum):
    return np.linalg.eigvals(np.linalg.solve(classical, quantum)).real.max() ** 0.5


# %% exercise 4, wrong 1: must say "its spread falls as 1/√n"
def predictions():
    return {"A": "fast", "B": "fast", "C": "fast", "D": "fast"}


# %% exercise 4, wrong 2: must say "qubits that are alike have the factor 1"
def predictions():
    return {"A": "fast", "B": "slow", "C": "slow", "D": "fast"}


# %% exercise 4, wrong 3: must say "their sum is a mean of n numbers"
def predictions():
    return {"A": "fast", "B": "slow", "C": "no", "D": "fast"}


# %% exercise 5, wrong 1: must say "a large g is no promise"
def decide(g, tuned, gain):
    return "stop" if g < 2 else "price it" if tuned else "tune first"


# %% exercise 5, wrong 2: must say "neither g nor the gain counts"
def decide(g, tuned, gain):
    if g < 2:
        return "stop"
    return "measure labels" if gain is None else "price it" if gain[0] > 0 else "stop"


# %% exercise 5, wrong 3: must say "an interval that reaches 0 is no gain"
def decide(g, tuned, gain):
    if g < 2:
        return "stop"
    if not tuned:
        return "tune first"
    return "measure labels" if gain is None else "price it" if sum(gain) > 0 else "stop"
