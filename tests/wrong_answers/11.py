# %% exercise 1, wrong 1: must say "reverse the bits of the index instead"
def little_to_big_endian(states):
    return states.flip(1)


# %% exercise 1, wrong 2: must say "reverse all axes, not only two"
def little_to_big_endian(states):
    n = states.shape[1].bit_length() - 1
    return states.reshape(len(states), 2, 2 ** (n - 1)).transpose(1, 2).reshape(states.shape)


# %% exercise 1, wrong 3: must say "leave the batch axis where it is"
def little_to_big_endian(states):
    n = states.shape[1].bit_length() - 1
    return states.reshape(-1, *[2] * n).permute(*range(n, -1, -1)).reshape(states.shape)


# %% exercise 2, wrong 1: must say "take the logarithm of each factor before anything gets small"
def log_fidelity_of_products(a, b):
    return ((1 + torch.einsum("aqk,bqk->abq", a, b)) / 2).prod(-1).log()


# %% exercise 2, wrong 2: must say "sum over the qubits, no mean"
def log_fidelity_of_products(a, b):
    return ((1 + torch.einsum("aqk,bqk->abq", a, b)) / 2).clamp(1e-12, 1).log().mean(-1)


# %% exercise 2, wrong 3: must say "is the factor (1 + n·m)/2?"
def log_fidelity_of_products(a, b):
    return (1 + torch.einsum("aqk,bqk->abq", a, b)).clamp(1e-12).log().sum(-1)


# %% exercise 3, wrong 1: must say "compare overlaps, not amplitudes"
def overlap_changes(angles):
    batch, _, n, _ = angles.shape
    first = rotate(all_zero(batch, n), angles[:, 0])
    none = rotate(first, angles[:, 1])
    after, between = none, first
    for q in range(n - 1):
        after, between = cnot(after, q, q + 1), cnot(between, q, q + 1)
    between = rotate(between, angles[:, 1])
    return (after - none).abs().max().item(), (between - none).abs().max().item()


# %% exercise 3, wrong 2: must say "the second layer must come after the chain"
def overlap_changes(angles):
    batch, _, n, _ = angles.shape
    none = rotate(rotate(all_zero(batch, n), angles[:, 0]), angles[:, 1])
    chained = none
    for q in range(n - 1):
        chained = cnot(chained, q, q + 1)
    change = (overlap(chained, chained) - overlap(none, none)).abs().max().item()
    return change, change


# %% exercise 3, wrong 3: must say "the chain is CNOT 0→1, then 1→2"
def overlap_changes(angles):
    batch, _, n, _ = angles.shape
    first = rotate(all_zero(batch, n), angles[:, 0])
    none = rotate(first, angles[:, 1])
    between = first
    for q in reversed(range(n - 1)):
        between = cnot(between, q, q + 1)
    between = rotate(between, angles[:, 1])
    return 0.0, (overlap(between, between) - overlap(none, none)).abs().max().item()
