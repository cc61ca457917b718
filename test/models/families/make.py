"""Writes small networks of the families that texts are given to, with random weights and dynamic axes, and what PyTorch makes of
two texts of different length (rows 0 and 1 of expected.json; the second is padded).

usage: make.py     (torch 2.15, transformers 5.24)
"""
import gzip, io, json, os
import torch, transformers as tf

here = os.path.dirname(os.path.abspath(__file__))
torch.manual_seed(0)
COMMON = dict(vocab_size=40, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16, num_labels=3)
P32, P34 = dict(max_position_embeddings=32), dict(max_position_embeddings=34)
MODERN = dict(**COMMON, **P32, pad_token_id=0, eos_token_id=1, bos_token_id=2, cls_token_id=2, sep_token_id=1, global_attn_every_n_layers=2, local_attention=8)
DEBERTA = dict(**COMMON, **P32, relative_attention=True, pos_att_type=['p2c', 'c2p'], position_buckets=8, norm_rel_ebd='layer_norm', share_att_key=True, position_biased_input=False, type_vocab_size=0)
NETWORKS = {
    'bert': (tf.BertForSequenceClassification, tf.BertConfig(**COMMON, **P32), True),
    'bertTokens': (tf.BertForTokenClassification, tf.BertConfig(**COMMON, **P32), True),
    'bertEncoder': (tf.BertModel, tf.BertConfig(**COMMON, **P32), True),
    'distilbert': (tf.DistilBertForSequenceClassification, tf.DistilBertConfig(vocab_size=40, dim=16, n_layers=2, n_heads=2, hidden_dim=16, num_labels=3, **P32), False),
    'roberta': (tf.RobertaForSequenceClassification, tf.RobertaConfig(**COMMON, **P34), False),
    'albert': (tf.AlbertForSequenceClassification, tf.AlbertConfig(**COMMON, **P32, embedding_size=8), True),
    'electra': (tf.ElectraForSequenceClassification, tf.ElectraConfig(**COMMON, **P32, embedding_size=8), True),
    'mpnet': (tf.MPNetForSequenceClassification, tf.MPNetConfig(**COMMON, **P34), False),
    'debertaV2': (tf.DebertaV2ForSequenceClassification, tf.DebertaV2Config(**DEBERTA), False),
    'modernBert': (tf.ModernBertModel, tf.ModernBertConfig(**MODERN), False),
}
ids = torch.tensor([[2, 9, 17, 33, 21, 8, 1], [2, 30, 12, 1, 0, 0, 0]])
mask = torch.tensor([[1] * 7, [1, 1, 1, 1, 0, 0, 0]])
expected = {}
for name, (kind, config, types) in NETWORKS.items():
    config._attn_implementation = 'eager'
    net = kind(config).eval()
    for p in net.parameters(): p.data = (p.data + 0.1 * torch.randn_like(p)).half().float()
    inputs = dict(input_ids=ids, attention_mask=mask, **(dict(token_type_ids=torch.zeros_like(ids)) if types else {}))

    class Wrapped(torch.nn.Module):
        def __init__(self):
            super().__init__(); self.net = net
        def forward(self, *a):
            o = self.net(**dict(zip(inputs, a)), return_dict=True)
            return o.logits if hasattr(o, 'logits') else o.last_hidden_state
    out = Wrapped().eval()(*inputs.values())
    output = 'logits' if hasattr(net(**inputs), 'logits') else 'last_hidden_state'
    axes = {k: {0: 'batch_size', 1: 'sequence_length'} for k in inputs}
    axes[output] = {0: 'batch_size', **({1: 'sequence_length'} if out.ndim == 3 else {})}
    file = io.BytesIO()
    torch.onnx.export(Wrapped().eval(), tuple(inputs.values()), file, input_names=list(inputs), output_names=[output], dynamic_axes=axes, opset_version=17, dynamo=False)
    open(f'{here}/{name}.onnx.gz', 'wb').write(gzip.compress(file.getvalue(), 9, mtime=0))
    expected[name] = dict(shape=list(out.shape), values=[round(v, 6) for v in out.flatten().tolist()])
json.dump(expected, open(f'{here}/expected.json', 'w'))

# onnxruntime's dynamic quantisation of one of them, a scale for each column (onnxruntime 1.32).
import tempfile
from onnxruntime.quantization import QuantType, quantize_dynamic
with tempfile.TemporaryDirectory() as folder:
    open(f'{folder}/a.onnx', 'wb').write(gzip.decompress(open(f'{here}/bert.onnx.gz', 'rb').read()))
    quantize_dynamic(f'{folder}/a.onnx', f'{folder}/b.onnx', weight_type=QuantType.QInt8, per_channel=True)
    open(f'{here}/bertInt8.onnx.gz', 'wb').write(gzip.compress(open(f'{folder}/b.onnx', 'rb').read(), 9, mtime=0))
