# %% exercise 1, wrong 1: must say "what was done last has to be undone first"
def undo(theta, gamma):
    return rz(-gamma) @ ry(-theta)


# %% exercise 1, wrong 2: must say "which turn undoes a turn by θ?"
def undo(theta, gamma):
    return ry(theta) @ rz(gamma)


# %% exercise 1, wrong 3: must say "is its `return` missing?"
def undo(theta, gamma):
    ry(-theta) @ rz(-gamma)


# %% exercise 1, wrong 4: must say "undo the turn by γ"
def undo(theta, gamma):
    return ry(-theta)


# %% exercise 1, wrong 5: must say "undo the turn by γ"
def undo(theta, gamma):
    return (rz(gamma) @ ry(theta)).T


# %% exercise 2, wrong 1: must say "compare with both before you answer"
def bit_order(state, theta_0, theta_1):
    zero = np.array([np.cos(theta_0 / 2), np.sin(theta_0 / 2)])
    one = np.array([np.cos(theta_1 / 2), np.sin(theta_1 / 2)])
    return "first" if np.allclose(state, np.kron(zero, one)) else "last"


# %% exercise 2, wrong 2: must say "the largest amplitude alone does not decide it"
def bit_order(state, theta_0, theta_1):
    if theta_0 == theta_1:
        return "cannot tell"
    return "first" if abs(state).argmax() >= 2 else "last"


# %% exercise 2, wrong 3: must say "qubit 0 is the first bit"
def bit_order(state, theta_0, theta_1):
    zero = np.array([np.cos(theta_0 / 2), np.sin(theta_0 / 2)])
    one = np.array([np.cos(theta_1 / 2), np.sin(theta_1 / 2)])
    first, last = np.allclose(state, np.kron(one, zero)), np.allclose(state, np.kron(zero, one))
    return "cannot tell" if first and last else "first" if first else "last"


# %% exercise 2, wrong 4: must say "answer with one of"
def bit_order(state, theta_0, theta_1):
    return 0 if abs(state[1]) < abs(state[2]) else 1


# %% exercise 2, wrong 5: must say "are the angles halved"
def bit_order(state, theta_0, theta_1):
    zero, one = np.array([np.cos(theta_0), np.sin(theta_0)]), np.array([np.cos(theta_1), np.sin(theta_1)])
    first, last = np.allclose(state, np.kron(zero, one)), np.allclose(state, np.kron(one, zero))
    return "first" if first and not last else "last" if last and not first else "cannot tell"


# %% exercise 3, wrong 1: must say "largest fidelity first"
def rank_by_twin(question, passages):
    n = torch.stack([passages[:, 0].sin() * passages[:, 1].cos(), passages[:, 0].sin() * passages[:, 1].sin(), passages[:, 0].cos()], -1)
    q = torch.stack([question[0].sin() * question[1].cos(), question[0].sin() * question[1].sin(), question[0].cos()])
    return (n @ q).argsort().tolist()


# %% exercise 3, wrong 2: must say "compare points, not angles"
def rank_by_twin(question, passages):
    weights = torch.tensor([1.0, 1.0]) if question[0] > 0 else torch.tensor([1.0, 0.0])
    return ((passages - question).abs() * weights).sum(-1).argsort().tolist()


# %% exercise 3, wrong 3: must say "look at the three coordinates of a point"
def rank_by_twin(question, passages):
    n = torch.stack([passages[:, 1].cos(), passages[:, 1].sin(), passages[:, 0].cos()], -1)
    q = torch.stack([question[1].cos() * question[0].sin(), question[1].sin() * question[0].sin(), question[0].cos()])
    return (n @ q).argsort(descending=True).tolist()


# %% exercise 3, wrong 4: must say "return a list of rows"
def rank_by_twin(question, passages):
    return passages[:, 0].argsort()


# %% exercise 3, wrong 5: must say "whole angles"
def rank_by_twin(question, passages):
    def point(angles):
        half, gamma = angles[..., 0] / 2, angles[..., 1]
        return torch.stack([half.sin() * gamma.cos(), half.sin() * gamma.sin(), half.cos()], -1)

    return (point(passages) @ point(question)).argsort(descending=True).tolist()


# %% exercise 3, wrong 6: must say "not their scores"
def rank_by_twin(question, passages):
    vectors = bloch_vectors(passages[:, None, None])[:, 0] @ bloch_vectors(question[None, None, None])[0, 0]
    return vectors.tolist()


# %% exercise 4, wrong 1: must say "text comes again on qubit 0 after the CZ"
def cross_out(gates):
    return [gate for gate in gates if gate[2]]


# %% exercise 4, wrong 2: must say "the CZ could stand at the end, so it goes"
def cross_out(gates):
    kept = list(gates)
    while kept and not kept[-1][2]:
        kept.pop()
    return kept


# %% exercise 4, wrong 3: must say "the first shares qubit 1 with it, so it stays as well"
def cross_out(gates):
    return [
        gate
        for i, gate in enumerate(gates)
        if gate[2] or any(later[2] and set(later[1]) & set(gate[1]) for later in gates[i + 1 :])
    ]


# %% exercise 4, wrong 4: must say "both go, since what follows the first one"
def cross_out(gates):
    touched, kept = set(), []
    for gate in reversed(gates):
        if gate[2] or touched & set(gate[1]):
            kept.append(gate)
        touched |= set(gate[1]) if kept else set()
        touched |= set(gate[1]) if not gate[2] else set()
    return kept[::-1]


# %% exercise 4, wrong 5: must say "turn the list round"
def cross_out(gates):
    touched, kept = set(), []
    for gate in reversed(gates):
        if gate[2] or touched & set(gate[1]):
            kept.append(gate)
            touched |= set(gate[1])
    return kept


# %% exercise 5, wrong 1: must say "can a block that is the same for every text change an overlap?"
def causes():
    return {"A": "gate order", "B": "global phase", "C": "bit order", "D": "something else", "E": "missing conjugate"}


# %% exercise 5, wrong 2: must say "what changes amplitudes, and no overlap at all?"
def causes():
    return {"A": "something else", "B": "bit order", "C": "global phase", "D": "gate order", "E": "missing conjugate"}


# %% exercise 5, wrong 3: must say "which turn leaves the north pole where it is?"
def causes():
    return {"A": "something else", "B": "global phase", "C": "bit order", "D": "missing conjugate", "E": "gate order"}
