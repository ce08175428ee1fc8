# %% exercise 1, wrong 1: must say "half angles?"
def turn_matrix(theta, gamma):
    ry = np.array([[np.cos(theta), -np.sin(theta)], [np.sin(theta), np.cos(theta)]])
    rz = np.diag([np.exp(-1j * gamma), np.exp(1j * gamma)])
    return rz @ ry


# %% exercise 1, wrong 2: must say "which gate acts first?"
def turn_matrix(theta, gamma):
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    return np.array([[c, -s], [s, c]]) @ np.diag([np.exp(-0.5j * gamma), np.exp(0.5j * gamma)])


# %% exercise 1, wrong 3: must say "look at the signs of the sines"
def turn_matrix(theta, gamma):
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    return np.diag([np.exp(-0.5j * gamma), np.exp(0.5j * gamma)]) @ np.array([[c, s], [s, c]])


# %% exercise 2, wrong 1: must say "you counted one"
def circuits_per_step(batch, n_qubits, n_layers):
    return batch * (1 + 2 * n_qubits * n_layers)


# %% exercise 2, wrong 2: must say "the value itself takes one circuit more"
def circuits_per_step(batch, n_qubits, n_layers):
    return batch * 2 * 2 * n_qubits * n_layers


# %% exercise 2, wrong 3: must say "each document has its own angles"
def circuits_per_step(batch, n_qubits, n_layers):
    return 1 + 2 * 2 * n_qubits * n_layers


# %% exercise 3, wrong 1: must say "the rule applied to the overlap itself"
def slope_of_overlap(fidelity_at, theta):
    up, down = (math.sqrt(fidelity_at(theta + s * math.pi / 2)) for s in (1, -1))
    return (up - down) / 2


# %% exercise 3, wrong 2: must say "the slope of the fidelity"
def slope_of_overlap(fidelity_at, theta):
    return (fidelity_at(theta + math.pi / 2) - fidelity_at(theta - math.pi / 2)) / 2


# %% exercise 3, wrong 3: must say "the rule divides by 2"
def slope_of_overlap(fidelity_at, theta):
    up, down = (fidelity_at(theta + s * math.pi / 2) for s in (1, -1))
    return (up - down) / (2 * math.sqrt(fidelity_at(theta)))


# %% exercise 4, wrong 1: must say "singular values near 0 do not count"
def bond(state, k):
    return len(torch.linalg.svdvals(state.reshape(2**k, -1)))


# %% exercise 4, wrong 2: must say "2**k rows, qubit 0 first"
def bond(state, k):
    return int((torch.linalg.svdvals(state.reshape(-1, 2**k)) > 1e-9).sum())


# %% exercise 4, wrong 3: must say "return a whole number"
def bond(state, k):
    return torch.linalg.matrix_rank(state.reshape(2**k, -1))


# %% exercise 5, wrong 1: must say "one qubit has a formula"
def choices():
    return dict.fromkeys("ABCDE", "tensor program")


# %% exercise 5, wrong 2: must say "forty layers fill every bond"
def choices():
    return {"A": "closed form", "B": "tensor program", "C": "mps", "D": "mps", "E": "broadcast"}


# %% exercise 5, wrong 3: must say "refuses a gate it does not know"
def choices():
    return {"A": "closed form", "B": "tensor program", "C": "lightning", "D": "mps", "E": "tensor program"}
