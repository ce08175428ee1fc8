# %% exercise 1, wrong 1: must say "0.87 is the share of zeros"
def swap_test_fidelity(counts):
    shots = sum(counts.values())
    p = counts.get("0", 0) / shots
    return p, np.sqrt(p * (1 - p) / shots)


# %% exercise 1, wrong 2: must say "set it to 0"
def swap_test_fidelity(counts):
    shots = sum(counts.values())
    fidelity = 2 * counts.get("0", 0) / shots - 1
    return fidelity, np.sqrt((1 - fidelity**2) / shots)


# %% exercise 1, wrong 3: must say "the standard error must be the root"
def swap_test_fidelity(counts):
    shots = sum(counts.values())
    fidelity = max(0.0, 2 * counts.get("0", 0) / shots - 1)
    return fidelity, np.sqrt(fidelity * (1 - fidelity) / shots)


# %% exercise 2, wrong 1: must say "half_width is not squared"
def shots_for_precision(half_width, fidelity=None):
    fidelity = 0.5 if fidelity is None else fidelity
    return max(1, int(np.ceil(1.96 * fidelity * (1 - fidelity) / half_width * 2 - 1e-9)))


# %% exercise 2, wrong 2: must say "the worst case is F = 0.5"
def shots_for_precision(half_width, fidelity=None):
    fidelity = 1.0 if fidelity is None else fidelity
    return max(1, int(np.ceil(1.96**2 * fidelity * (1 - fidelity) / half_width**2 - 1e-9)))


# %% exercise 3, wrong 1: must say "which error adds zeros"
def mitigated_local_fidelity(zero_shares, zero_as_one, one_as_zero):
    return ((zero_shares - zero_as_one) / (1 - zero_as_one - one_as_zero)).mean(axis=1)


# %% exercise 3, wrong 2: must say "with its own errors before you average"
def mitigated_local_fidelity(zero_shares, zero_as_one, one_as_zero):
    return (zero_shares.mean(axis=1) - one_as_zero.mean()) / (1 - zero_as_one.mean() - one_as_zero.mean())


# %% exercise 3, wrong 3: must say "average over the qubits (axis 1)"
def mitigated_local_fidelity(zero_shares, zero_as_one, one_as_zero):
    return (zero_shares - one_as_zero) / (1 - zero_as_one - one_as_zero)


# %% exercise 4, wrong 1: must say "the candidates were measured when they were indexed"
def choose_protocol(
    query_tokens, candidate_tokens, seconds, whole=False, circuits_known=True, shots=100, rate=10_000
):
    name, circuits = "tomography", 3 * (query_tokens + candidate_tokens)
    if whole:
        name, circuits = "compute_uncompute", query_tokens * candidate_tokens
    price = circuits * shots / rate
    return (name if price <= seconds else None), price


# %% exercise 4, wrong 2: must say "tomography of tokens can't give the fidelity of the whole"
def choose_protocol(
    query_tokens, candidate_tokens, seconds, whole=False, circuits_known=True, shots=100, rate=10_000
):
    price = 3 * query_tokens * shots / rate
    return ("tomography" if price <= seconds else None), price


# %% exercise 4, wrong 3: must say "a circuit that nobody knows can't be run backwards"
def choose_protocol(
    query_tokens, candidate_tokens, seconds, whole=False, circuits_known=True, shots=100, rate=10_000
):
    name, circuits = "tomography", 3 * query_tokens
    if whole:
        name, circuits = "compute_uncompute", query_tokens * candidate_tokens
    price = circuits * shots / rate
    return (name if price <= seconds else None), price


# %% exercise 4, wrong 4: must say "are over a budget of 1,999 s"
def choose_protocol(
    query_tokens, candidate_tokens, seconds, whole=False, circuits_known=True, shots=100, rate=10_000
):
    if not whole:
        name, circuits = "tomography", 3 * query_tokens
    elif circuits_known:
        name, circuits = "compute_uncompute", query_tokens * candidate_tokens
    else:
        name, circuits = "bell_basis", 2 * query_tokens * candidate_tokens
    return name, circuits * shots / rate


# %% exercise 5, wrong 1: must say "the rounds share it"
def find_best(measure, count, budget):
    rows, zeros, shots = np.arange(count), np.zeros(count), np.zeros(count)
    while len(rows) > 1:
        each = budget // len(rows)
        zeros[rows] += each * measure(rows, each)
        shots[rows] += each
        rows = rows[np.argsort(-zeros[rows] / shots[rows], kind="stable")[: len(rows) // 2]]
    return int(rows[0])


# %% exercise 5, wrong 2: must say "do the shots of earlier rounds count?"
def find_best(measure, count, budget):
    rounds, rows = int(np.log2(count)), np.arange(count)
    for _ in range(rounds):
        estimates = measure(rows, budget // rounds // len(rows))
        rows = rows[np.argsort(-estimates, kind="stable")[: len(rows) // 2]]
    return int(rows[0])


# %% exercise 5, wrong 3: must say "return the row"
def find_best(measure, count, budget):
    rounds = int(np.log2(count))
    rows, zeros, shots = np.arange(count), np.zeros(count), np.zeros(count)
    for _ in range(rounds):
        each = budget // rounds // len(rows)
        zeros[rows] += each * measure(rows, each)
        shots[rows] += each
        order = np.argsort(-zeros[rows] / shots[rows], kind="stable")
        best, rows = int(order[0]), rows[order[: len(rows) // 2]]
    return best
