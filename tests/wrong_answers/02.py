# %% exercise 1, wrong 1: must say "are there half angles left?"
def bloch_from_angles(angles):
    theta, gamma = angles.unbind(-1)
    return torch.stack([(theta / 2).sin() * gamma.cos(), (theta / 2).sin() * gamma.sin(), (theta / 2).cos()], dim=-1)


# %% exercise 1, wrong 2: must say "look at the sine and cosine of γ"
def bloch_from_angles(angles):
    theta, gamma = angles.unbind(-1)
    return torch.stack([theta.sin() * gamma.sin(), theta.sin() * gamma.cos(), theta.cos()], dim=-1)


# %% exercise 1, wrong 3: must say "is its `return` missing?"
def bloch_from_angles(angles):
    theta, gamma = angles.unbind(-1)
    torch.stack([theta.sin() * gamma.cos(), theta.sin() * gamma.sin(), theta.cos()], dim=-1)


# %% exercise 2, wrong 1: must say "a global phase changes nothing"
def same_state(first, second):
    return torch.allclose(first, second, atol=1e-5)


# %% exercise 2, wrong 2: must say "the phase between the amplitudes counts"
def same_state(first, second):
    return torch.allclose(first.abs(), second.abs(), atol=1e-5)


# %% exercise 2, wrong 3: must say "is the first one conjugated?"
def same_state(first, second):
    return bool(abs((first * second).sum().abs() - 1) < 1e-5)


# %% exercise 2, wrong 4: must say "put bool(…) around it"
def same_state(first, second):
    return abs((first.conj() * second).sum().abs() - 1) < 1e-5


# %% exercise 3, wrong 1: must say "does your difference of γ wrap around?"
def hidden_neighbours(angles, near=15.0, far=60.0):
    points = bloch_vectors(angles[:, None, None])[:, 0]
    apart = (points @ points.T).clamp(-1, 1).arccos().rad2deg()
    differ = (angles[:, 1].rad2deg()[:, None] - angles[:, 1].rad2deg()).abs()
    differ = torch.minimum(differ, 360 - differ)
    hidden = (apart <= near) & (differ > far)
    return [(i, j) for i, j in hidden.nonzero().tolist() if i < j]


# %% exercise 3, wrong 2: must say "near a pole γ says nothing, so compare points"
def hidden_neighbours(angles, near=15.0, far=60.0):
    theta, gamma = angles.rad2deg().unbind(-1)
    differ = (gamma[:, None] - gamma).abs()
    round_ = torch.minimum(differ, 360 - differ)
    apart = ((theta[:, None] - theta) ** 2 + round_**2).sqrt()
    hidden = (apart <= near) & (differ > far)
    return [(i, j) for i, j in hidden.nonzero().tolist() if i < j]


# %% exercise 3, wrong 3: must say "each pair once, with i < j"
def hidden_neighbours(angles, near=15.0, far=60.0):
    points = bloch_vectors(angles[:, None, None])[:, 0]
    apart = (points @ points.T).clamp(-1, 1).arccos().rad2deg()
    differ = (angles[:, 1].rad2deg()[:, None] - angles[:, 1].rad2deg()).abs()
    return [tuple(pair) for pair in ((apart <= near) & (differ > far)).nonzero().tolist()]


# %% exercise 4, wrong 1: must say "in all four quarters"
def seam_free_angles(raw):
    z, u, v = raw.unbind(-1)
    gamma = torch.remainder(torch.atan(v / u), 2 * math.pi)
    return torch.stack([math.pi * torch.sigmoid(z), gamma], dim=-1)


# %% exercise 4, wrong 2: must say "add 2π where it is negative"
def seam_free_angles(raw):
    z, u, v = raw.unbind(-1)
    return torch.stack([math.pi * torch.sigmoid(z), torch.atan2(v, u)], dim=-1)


# %% exercise 4, wrong 3: must say "in all four quarters"
def seam_free_angles(raw):
    z, u, v = raw.unbind(-1)
    gamma = torch.remainder(torch.atan2(u, v), 2 * math.pi)
    return torch.stack([math.pi * torch.sigmoid(z), gamma], dim=-1)


# %% exercise 5, wrong 1: must say "is the share of the head"
def judge(encoder, linear, inspired):
    return (linear - inspired) / linear, {"A", "D"}


# %% exercise 5, wrong 2: must say "sentence B does not follow: the encoder, nearly all"
def judge(encoder, linear, inspired):
    return (linear - inspired) / (encoder + linear), {"A", "B", "D"}


# %% exercise 5, wrong 3: must say "sentence D does follow"
def judge(encoder, linear, inspired):
    return (linear - inspired) / (encoder + linear), {"A"}


# %% exercise 5, wrong 4: must say "sentence E does not follow"
def judge(encoder, linear, inspired):
    return (linear - inspired) / (encoder + linear), {"A", "D", "E"}


# %% exercise 5, wrong 5: must say "give the letters as a set"
def judge(encoder, linear, inspired):
    return (linear - inspired) / (encoder + linear), "AD"


# %% exercise 1, wrong 4: must say "is θ the first of the two"
def bloch_from_angles(angles):
    gamma, theta = angles.unbind(-1)
    return torch.stack([theta.sin() * gamma.cos(), theta.sin() * gamma.sin(), theta.cos()], dim=-1)


# %% exercise 2, wrong 5: must say "compared with 1 up to rounding"
def same_state(first, second):
    return bool((first.conj() * second).sum().abs() == 1)


# %% exercise 2, wrong 6: must say "compare the size of the inner product"
def same_state(first, second):
    return bool(abs((first.conj() * second).sum() - 1) < 1e-5)


# %% exercise 3, wrong 4: must say "are both differences in degrees"
def hidden_neighbours(angles, near=15.0, far=60.0):
    points = bloch_vectors(angles[:, None, None])[:, 0]
    apart = (points @ points.T).clamp(-1, 1).arccos()
    differ = (angles[:, 1][:, None] - angles[:, 1]).abs()
    hidden = (apart <= near) & (differ > far)
    return [(i, j) for i, j in hidden.nonzero().tolist() if i < j]


# %% exercise 3, wrong 5: must say "an angle on the sphere, in degrees"
def hidden_neighbours(angles, near=15.0, far=60.0):
    points = bloch_vectors(angles[:, None, None])[:, 0]
    cosine = points @ points.T
    differ = (angles[:, 1].rad2deg()[:, None] - angles[:, 1].rad2deg()).abs()
    hidden = (cosine <= near) & (differ > far)
    return [(i, j) for i, j in hidden.nonzero().tolist() if i < j]


# %% exercise 5, wrong 6: must say "divided by encoder and head"
def judge(encoder, linear, inspired):
    return (linear - inspired) / encoder, {"A", "D"}


# %% exercise 5, wrong 7: must say "give two things"
def judge(encoder, linear, inspired):
    return (linear - inspired) / (encoder + linear)


# %% exercise 5, wrong 8: must say "saves 5 of"
def judge(encoder, linear, inspired):
    return (LINEAR - INSPIRED) / (ENCODER + LINEAR), {"A", "D"}
