# %% exercise 1, wrong 1: must say "best first, and an index is a place in the request"
def rerank_results(scores, alpha, top_n=None):
    ordered = sorted(scores, reverse=True)
    return [{"index": i, "relevance_score": (x + alpha) / (1 + alpha)} for i, x in enumerate(ordered)][:top_n]


# %% exercise 1, wrong 2: must say "the lowest possible score is -alpha"
def rerank_results(scores, alpha, top_n=None):
    order = sorted(range(len(scores)), key=lambda i: -scores[i])
    return [{"index": i, "relevance_score": (scores[i] + 1) / 2} for i in order][:top_n]


# %% exercise 1, wrong 3: must say "must keep the order in which the documents were sent"
def rerank_results(scores, alpha, top_n=None):
    order = sorted(range(len(scores)), key=lambda i: (scores[i], i), reverse=True)
    return [{"index": i, "relevance_score": (scores[i] + alpha) / (1 + alpha)} for i in order][:top_n]


# %% exercise 2, wrong 1: must say "a full queue has no room"
def admit(waiting, limit, seconds_each):
    if waiting <= limit:
        return 200, None
    return 429, max(1, math.ceil(waiting * seconds_each))


# %% exercise 2, wrong 2: must say "never say 0 seconds"
def admit(waiting, limit, seconds_each):
    return (200, None) if waiting < limit else (429, round(waiting * seconds_each + 0.49))


# %% exercise 3, wrong 1: must say "a is cut to 6 words, so b still fits"
def pack_fairly(documents, budget, share):
    packed, left = [], budget
    for doc_id, text in documents:
        words = text.split()
        if len(words) <= left:
            packed.append((len(packed) + 1, doc_id, " ".join(words)))
            left -= len(words)
    return packed


# %% exercise 3, wrong 2: must say "leave out whole, then go on"
def pack_fairly(documents, budget, share):
    packed, left, most = [], budget, int(share * budget)
    for doc_id, text in documents:
        words = text.split()[:most]
        if len(words) > left:
            break
        packed.append((len(packed) + 1, doc_id, " ".join(words)))
        left -= len(words)
    return packed


# %% exercise 3, wrong 3: must say "numbers count what was packed"
def pack_fairly(documents, budget, share):
    packed, left, most = [], budget, int(share * budget)
    for number, (doc_id, text) in enumerate(documents, 1):
        words = text.split()[:most]
        if len(words) <= left:
            packed.append((number, doc_id, " ".join(words)))
            left -= len(words)
    return packed


# %% exercise 4, wrong 1: must say "0.9 itself is cited"
def citation_errors(own, foreign, threshold):
    return float((np.asarray(own) <= threshold).mean()), float((np.asarray(foreign) > threshold).mean())


# %% exercise 4, wrong 2: must say "count what is cited although it should not be"
def citation_errors(own, foreign, threshold):
    return float((np.asarray(own) < threshold).mean()), float((np.asarray(foreign) < threshold).mean())
