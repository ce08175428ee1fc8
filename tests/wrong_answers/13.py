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


# %% exercise 2, wrong 1: must say "first come, first served"
def next_batch(sizes, room):
    batch, left = [0], room - sizes[0]
    for place in sorted(range(1, len(sizes)), key=lambda i: sizes[i]):
        if sizes[place] <= left:
            batch.append(place)
            left -= sizes[place]
    return sorted(batch)


# %% exercise 2, wrong 2: must say "pass over, go on"
def next_batch(sizes, room):
    batch, left = [0], room - sizes[0]
    for place in range(1, len(sizes)):
        if sizes[place] > left:
            break
        batch.append(place)
        left -= sizes[place]
    return batch


# %% exercise 2, wrong 3: must say "goes alone"
def next_batch(sizes, room):
    batch, left = [], room
    for place, size in enumerate(sizes):
        if size <= left:
            batch.append(place)
            left -= size
    return batch


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
def judge_the_check(support, supported, threshold):
    cited, judge = np.asarray(support) > threshold, np.asarray(supported)
    return {"found": cited[judge].mean(), "wrong": cited[~judge].mean(), "agreement": (cited == judge).mean(), "never": (~judge).mean()}


# %% exercise 4, wrong 2: must say "not of all or of the cited"
def judge_the_check(support, supported, threshold):
    cited, judge = np.asarray(support) >= threshold, np.asarray(supported)
    return {"found": cited[judge].mean(), "wrong": (cited & ~judge).sum() / cited.sum(), "agreement": (cited == judge).mean(), "never": (~judge).mean()}


# %% exercise 4, wrong 3: must say "leaving an unsupported one is agreement, too"
def judge_the_check(support, supported, threshold):
    cited, judge = np.asarray(support) >= threshold, np.asarray(supported)
    return {"found": cited[judge].mean(), "wrong": cited[~judge].mean(), "agreement": (cited & judge).mean(), "never": (~judge).mean()}


# %% exercise 5, wrong 1: must say "an interval says how much"
def what_is_wrong():
    return {"a", "c", "d", "e"}


# %% exercise 5, wrong 2: must say "Nobody looked"
def what_is_wrong():
    return {"a", "c", "d"}


# %% exercise 5, wrong 3: must say "how many wrong sentences a model writes"
def what_is_wrong():
    return {"a", "b", "d"}
