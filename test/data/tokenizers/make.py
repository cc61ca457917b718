"""Trains small tokenizers of every kind and writes what Python's tokenizers makes of the lines of test/support/textLines.ts.

usage: make.py LINES.json OUT_FOLDER     (tokenizers 0.23.3, sentencepiece 0.2.3)

LINES.json is the list that textLines(10000, 1) gives. For each tokenizer: <name>.json.gz, and <name>.expected.gz with one
little-endian uint16 a line (FNV-1a over the ids as int32, folded), then the same for 500 pairs cut to 40 tokens.
The table of rules that SentencePiece calls nmt_nfkc, in two of them, is written apart, nmt_nfkc.gz; it is Google's, Apache License 2.0.
"""
import base64, gzip, io, json, struct, sys, tempfile
import sentencepiece
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers as N, pre_tokenizers as P, processors, trainers

lines = json.load(open(sys.argv[1])); out = sys.argv[2]
corpus = lines[:4000]
# A unigram model has every character that it was trained on.
narrow = [l for l in corpus if all(c < '\u0530' for c in l)]

def charsmap():
    """The compiled rules that sentencepiece puts into a model: field 3 (normalizer_spec), field 2 in it."""
    with tempfile.NamedTemporaryFile('w', suffix='.txt') as f:
        f.write('\n'.join(' '.join(l.split()) for l in corpus[:2000] if len(l) < 200)); f.flush()
        m = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(input=f.name, model_writer=m, vocab_size=8000, character_coverage=0.98, hard_vocab_limit=False, minloglevel=2)
    def fields(b):
        i = 0
        def varint():
            nonlocal i
            v = s = 0
            while True:
                x = b[i]; i += 1; v |= (x & 127) << s; s += 7
                if x < 128: return v
        while i < len(b):
            key = varint()
            if key & 7 == 0: varint()
            elif key & 7 == 5: i += 4
            elif key & 7 == 2:
                n = varint(); yield key >> 3, b[i:i + n]; i += n
            else: raise ValueError(key)
    spec = next(v for k, v in fields(m.getvalue()) if k == 3)
    return bytes(next(v for k, v in fields(spec) if k == 2))

RULES = charsmap()

def template(cls, sep, t, pair_type=1, double=False):
    ids = [(cls, t.token_to_id(cls)), (sep, t.token_to_id(sep))]
    return processors.TemplateProcessing(single=f'{cls}:0 $A:0 {sep}:0', pair=f'{cls}:0 $A:0 {sep}:0 $B:{pair_type} {sep}:{pair_type}', special_tokens=ids)

def train(t, trainer, on=corpus):
    t.train_from_iterator(on, trainer)
    return t

def bert_cased():
    t = Tokenizer(models.WordPiece(unk_token='[UNK]')); t.normalizer = N.BertNormalizer(lowercase=False); t.pre_tokenizer = P.BertPreTokenizer()
    train(t, trainers.WordPieceTrainer(vocab_size=1500, show_progress=False, limit_alphabet=600, special_tokens=['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']))
    t.post_processor = processors.BertProcessing(('[SEP]', 3), ('[CLS]', 2)); return t

def plain_wordpiece():
    t = Tokenizer(models.WordPiece(unk_token='[UNK]', max_input_chars_per_word=20)); t.normalizer = N.Sequence([N.Nmt(), N.NFKC(), N.Lowercase(), N.Strip()])
    t.pre_tokenizer = P.Sequence([P.Whitespace(), P.Punctuation('merged_with_previous'), P.Digits()])
    train(t, trainers.WordPieceTrainer(vocab_size=1500, show_progress=False, limit_alphabet=600, special_tokens=['[PAD]', '[UNK]', '[CLS]', '[SEP]', '[MASK]']))
    t.post_processor = template('[CLS]', '[SEP]', t); return t

def roberta():
    t = Tokenizer(models.BPE()); t.pre_tokenizer = P.ByteLevel(add_prefix_space=False)
    train(t, trainers.BpeTrainer(vocab_size=900, show_progress=False, initial_alphabet=P.ByteLevel.alphabet(), special_tokens=['<s>', '<pad>', '</s>', '<unk>', AddedToken('<mask>', lstrip=True, special=True)]))
    t.post_processor = processors.RobertaProcessing(('</s>', 2), ('<s>', 0)); return t

def gpt2():
    t = Tokenizer(models.BPE()); t.pre_tokenizer = P.ByteLevel(add_prefix_space=True)
    train(t, trainers.BpeTrainer(vocab_size=900, show_progress=False, initial_alphabet=P.ByteLevel.alphabet(), special_tokens=['<|endoftext|>']))
    t.post_processor = processors.ByteLevel(trim_offsets=False)
    t.add_tokens([AddedToken('<extra>', single_word=True, normalized=True), AddedToken('EXTRA', rstrip=True, normalized=False)]); return t

def albert():
    t = Tokenizer(models.Unigram())
    t.normalizer = N.Sequence([N.Replace('``', '"'), N.Replace("''", '"'), N.NFKD(), N.StripAccents(), N.Lowercase(), N.Precompiled(RULES)])
    t.pre_tokenizer = P.Sequence([P.WhitespaceSplit(), P.Metaspace()])
    train(t, trainers.UnigramTrainer(vocab_size=1500, show_progress=False, unk_token='<unk>', special_tokens=['<pad>', '<unk>', '[CLS]', '[SEP]', '[MASK]']), narrow)
    t.post_processor = template('[CLS]', '[SEP]', t); return t

def deberta():
    t = Tokenizer(models.Unigram()); t.normalizer = N.Sequence([N.Strip(), N.Precompiled(RULES), N.Replace(Regex(' {2,}'), ' ')])
    t.pre_tokenizer = P.Metaspace()
    train(t, trainers.UnigramTrainer(vocab_size=1500, show_progress=False, unk_token='[UNK]', special_tokens=['[PAD]', '[CLS]', '[SEP]', '[UNK]', '[MASK]']), narrow)
    t.add_tokens([AddedToken('<Extra>', normalized=True)])
    t.post_processor = template('[CLS]', '[SEP]', t); return t

def modern():
    t = Tokenizer(models.BPE()); t.normalizer = N.NFC()
    pattern = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
    t.pre_tokenizer = P.Sequence([P.Split(Regex(pattern), 'isolated'), P.ByteLevel(add_prefix_space=False, use_regex=False)])
    train(t, trainers.BpeTrainer(vocab_size=900, show_progress=False, initial_alphabet=P.ByteLevel.alphabet(), special_tokens=['[PAD]', '[UNK]', '[CLS]', '[SEP]', AddedToken('[MASK]', lstrip=True, special=True)]))
    t.post_processor = template('[CLS]', '[SEP]', t, 0); return t

def byte_fallback():
    t = Tokenizer(models.BPE(unk_token='<unk>', fuse_unk=True, byte_fallback=True))
    t.normalizer = N.Sequence([N.Prepend('▁'), N.Replace(' ', '▁')])
    trained = Tokenizer(models.BPE(unk_token='<unk>')); trained.normalizer = t.normalizer
    trained.pre_tokenizer = P.Split('▁', 'merged_with_next')
    bytes_ = [f'<0x{i:02X}>' for i in range(256)]
    train(trained, trainers.BpeTrainer(vocab_size=1100, limit_alphabet=300, special_tokens=['<unk>', '<s>', '</s>'] + bytes_))
    j = json.loads(trained.to_str()); full = json.loads(t.to_str())
    full['model']['vocab'], full['model']['merges'] = j['model']['vocab'], j['model']['merges']
    full['added_tokens'] = [a for a in j['added_tokens'] if a['content'] in ('<unk>', '<s>', '</s>')]
    t = Tokenizer.from_str(json.dumps(full))
    t.post_processor = processors.TemplateProcessing(single='<s> $A', pair='<s> $A <s>:1 $B:1', special_tokens=[('<s>', 1)]); return t

KINDS = dict(bertCased=bert_cased, plainWordPiece=plain_wordpiece, roberta=roberta, gpt2=gpt2, albert=albert, deberta=deberta, modern=modern, byteFallback=byte_fallback)

def folded(ids):
    h = 0x811C9DC5
    for byte in struct.pack(f'<{len(ids)}i', *ids): h = ((h ^ byte) * 0x01000193) & 0xFFFFFFFF
    return (h >> 16) ^ (h & 0xFFFF)

def expected(t):
    t.no_padding(); t.no_truncation()
    singles = [folded(e.ids) for e in t.encode_batch(lines)]
    t.enable_truncation(40)
    pairs = [t.encode(lines[i], lines[i + 1]) for i in range(500)]
    t.no_truncation()
    return struct.pack(f'<{len(lines) + 500}H', *singles, *[folded(e.ids + e.type_ids) for e in pairs])

def write(name, content): open(f'{out}/{name}', 'wb').write(gzip.compress(content, 9, mtime=0))

write('nmt_nfkc.gz', RULES)
for name, make in KINDS.items():
    t = make(); write(f'{name}.json.gz', t.to_str().replace(base64.b64encode(RULES).decode(), 'nmt_nfkc.gz').encode()); write(f'{name}.expected.gz', expected(t)); print(name, t.get_vocab_size())
bundled = Tokenizer.from_file('backbones/all-minilm-l6-v2/tokenizer.json'); write('bundled.expected.gz', expected(bundled))
