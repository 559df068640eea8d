"""What a network learns from, seen from outside: by the gradients and the steps that `update` makes."""

import torch


def gradients(m, L, table):
    """Network -> the gradients that reach its optimizer, a tensor a parameter (zeros where there is none)."""
    return gradients_of(m, table, lambda: m.update(L, table))


def gradients_of(m, names, step):
    """Likewise, of the networks of these names in a step."""
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    found = {}

    class Watching(torch.optim.SGD):
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    found[p] = torch.zeros_like(p) if p.grad is None else p.grad.clone()

    made = [Watching(getattr(m, name).parameters(), lr=0.1) for name in names]
    m.optimizers = lambda: made
    step()
    return {name: [found[p] for p in getattr(m, name).parameters()] for name in names}


def has_term(m, batch, network, term):
    """Whether a network's gradient contains a term: it changes when the term is worth more."""
    table = m.objectives(getattr(batch, "same", True))
    if network not in table:
        return False
    plain = gradients(m, m.terms(batch), table)[network]
    L = m.terms(batch)
    if term not in L:
        return False
    changed = gradients(m, L | {term: 3 * L[term]}, table)[network]
    return not all(torch.allclose(a, b, rtol=1e-6, atol=0) for a, b in zip(plain, changed, strict=True))


def weights_of(m):
    return {
        name: torch.cat([p.detach().clone().flatten() for p in getattr(m, name).parameters()]) for name in m.NETWORKS
    }


def moved_by_an_update(m, batch):
    """Names of the networks that one update moves."""
    before = weights_of(m)
    made = m.configure_optimizers()
    m.optimizers = lambda: made
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    m.update(m.terms(batch), m.objectives(getattr(batch, "same", True)))
    after = weights_of(m)
    return {name for name in m.NETWORKS if not torch.equal(before[name], after[name])}


def moved_alone(m, batch, network):
    """Names of the networks that an update by one network's objective moves."""
    before, table = weights_of(m), m.objectives(getattr(batch, "same", True))
    made = [torch.optim.SGD(getattr(m, network).parameters(), lr=0.1)]
    m.optimizers = lambda: made
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    m.update(m.terms(batch), {network: table[network]})
    after = weights_of(m)
    return {name for name in m.NETWORKS if not torch.equal(before[name], after[name])}
