# %% exercise 1, wrong 1: must say "are there half angles left?"
def bloch_from_angles(angles):
    theta, gamma = angles.unbind(-1)
    return torch.stack([(theta / 2).sin() * gamma.cos(), (theta / 2).sin() * gamma.sin(), (theta / 2).cos()], dim=-1)


# %% exercise 1, wrong 2: must say "look at the sine and cosine of γ"
def bloch_from_angles(angles):
    theta, gamma = angles.unbind(-1)
    return torch.stack([theta.sin() * gamma.sin(), theta.sin() * gamma.cos(), theta.cos()], dim=-1)


# %% exercise 2, wrong 1: must say "each output of a layer has a bias as well"
def count_parameters(embedding_dim, hidden_dim, n_qubits, n_layers):
    return embedding_dim * hidden_dim + hidden_dim * hidden_dim + hidden_dim * 2 * n_layers * n_qubits


# %% exercise 2, wrong 2: must say "how many angles does such a circuit take?"
def count_parameters(embedding_dim, hidden_dim, n_qubits, n_layers):
    sizes = [embedding_dim, hidden_dim, hidden_dim, 2 * n_qubits]
    return sum(i * o + o for i, o in zip(sizes, sizes[1:]))


# %% exercise 3, wrong 1: must say "is the length of the mean point squared"
def mean_fidelity(points):
    return (1 + points.mean(dim=0).norm().item()) / 2


# %% exercise 3, wrong 2: must say "is the length of the mean point squared, and not scaled to 1?"
def mean_fidelity(points):
    centre = points.mean(dim=0)
    centre = centre / centre.norm().clamp_min(1e-9)
    return ((1 + points @ centre) / 2).mean().item()


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


# %% exercise 5, wrong 1: must say "the mean of each raw output must be 0"
def spread_head(head, vectors, std=1.7):
    with torch.no_grad():
        scale = std / head.layers(vectors).std(dim=0)
        last = head.layers[-1]
        last.weight.copy_(last.weight * scale[:, None])
        last.bias.copy_(last.bias * scale)


# %% exercise 5, wrong 2: must say "divide by the one you measure"
def spread_head(head, vectors, std=1.7):
    with torch.no_grad():
        mean = head.layers(vectors).mean(dim=0)
        last = head.layers[-1]
        last.weight.copy_(last.weight * std)
        last.bias.copy_((last.bias - mean) * std)
