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


# %% exercise 2, wrong 1: must say "is the first state conjugated?"
def all_overlaps(a, b):
    return (a @ b.T).abs()


# %% exercise 2, wrong 2: must say "not its real part"
def all_overlaps(a, b):
    return (a.conj() @ b.T).real.abs()


# %% exercise 2, wrong 3: must say "neither squared nor a part of it"
def all_overlaps(a, b):
    return (a.conj() @ b.T).abs() ** 2


# %% exercise 3, wrong 1: must say "you counted one"
def circuits_per_step(batch, n_qubits, n_layers):
    return batch * (1 + 2 * n_qubits * n_layers)


# %% exercise 3, wrong 2: must say "the value itself takes one circuit more"
def circuits_per_step(batch, n_qubits, n_layers):
    return batch * 2 * 2 * n_qubits * n_layers


# %% exercise 3, wrong 3: must say "each document has its own angles"
def circuits_per_step(batch, n_qubits, n_layers):
    return 1 + 2 * 2 * n_qubits * n_layers
